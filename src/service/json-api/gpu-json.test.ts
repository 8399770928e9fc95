import { expect, test } from "bun:test";
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { GpuListSchema, GpuSchema, WatchGpusResponseSchema } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { GpuObject } from "../../store/gpu-object.ts";
import { addedJson, gpuJson, gpuListJson, watchEventJson } from "./gpu-json.ts";

const text = fc.string({ unit: "binary", maxLength: 20 }).map((it) => it.toWellFormed());
const since = fc.record({ seconds: fc.bigInt(0n, 4_000_000_000n), nanos: fc.integer({ min: 0, max: 999_999_999 }) });
const condition = fc.record({
  type: text,
  status: fc.constantFrom("True" as const, "False" as const, "Unknown" as const),
  reason: text,
  message: text,
  since,
});
const gpu = fc
  .record({
    name: text,
    uuid: text,
    version: fc.maxSafeNat(),
    conditions: fc.array(condition, { maxLength: 3 }),
    action: text,
  })
  .map(({ name, uuid, version, conditions, action }) => new GpuObject(name, uuid, version, { conditions, action }));

test("a GPU's JSON says what its protobuf says, whatever the texts hold", () => {
  fc.assert(
    fc.property(gpu, (object) => {
      expect(fromJsonString(GpuSchema, gpuJson(object))).toEqual(fromBinary(GpuSchema, object.bytes));
    }),
  );
});

test("a list's pieces are one JSON document of all GPUs", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.array(gpu, { maxLength: 4 }), (version, objects) => {
      const list = fromJsonString(GpuListSchema, [...gpuListJson(version, objects)].join(""));
      expect(list.metadata?.resourceVersion).toBe(String(version));
      expect(list.items).toEqual(objects.map(({ bytes }) => fromBinary(GpuSchema, bytes)));
    }),
  );
});

test("an event's JSON says what the event says, on one line, with the version as its id", () => {
  fc.assert(
    fc.property(gpu, fc.constantFrom("ADDED" as const, "MODIFIED" as const, "DELETED" as const), (object, type) => {
      const event = watchEventJson(object.event(type));
      expect([event.type, event.id]).toEqual([type, String(object.version)]);
      expect(fromJsonString(WatchGpusResponseSchema, event.data)).toEqual(
        fromBinary(WatchGpusResponseSchema, object.event(type)),
      );
      expect(event.data).not.toMatch(/[\r\n]/);
      if (type === "ADDED") expect(JSON.parse(addedJson(object))).toEqual(JSON.parse(event.data));
    }),
  );
});

test("empty fields stand in their places, so that readers need no defaults", () => {
  const object = new GpuObject("gpu-0", "", 7, { conditions: [], action: "" });
  expect(JSON.parse(gpuJson(object))).toEqual({
    metadata: { name: "gpu-0", resourceVersion: "7", namespace: "" },
    spec: { uuid: "" },
    status: { conditions: [], recommendedAction: "" },
    resourceVersion: "7",
  });
  expect([...gpuListJson(9, [])].join("")).toBe('{"metadata":{"resourceVersion":"9"},"items":[]}');
});
