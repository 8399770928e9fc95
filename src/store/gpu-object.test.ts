import { describe, expect, test } from "bun:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import {
  GetGpuResponseSchema,
  type Gpu,
  ListGpusResponseSchema,
  WatchGpusResponseSchema,
} from "../gen/device/v1alpha1/gpu_pb.ts";
import { emptyListReply, GpuObject, Snapshot } from "./gpu-object.ts";
import type { ConditionStatus, EventType } from "./types.ts";

const VERSION = 1_790_000_000_000_001;
const TYPES: readonly EventType[] = ["ADDED", "MODIFIED", "DELETED"];

const condition = fc.record({
  type: fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("__proto__", "constructor", "Ready")),
  status: fc.constantFrom<ConditionStatus>("True", "False", "Unknown"),
  reason: fc.string({ maxLength: 200 }),
  message: fc.string({ unit: "binary", maxLength: 300 }),
  since: fc.record({ seconds: fc.bigInt({ min: 0n, max: 2n ** 40n }), nanos: fc.nat({ max: 999_999_999 }) }),
});
const gpu = fc
  .record({
    name: fc.string(),
    uuid: fc.string(),
    version: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    conditions: fc.array(condition, { maxLength: 8 }),
    action: fc.string({ maxLength: 20 }),
  })
  .map(({ name, uuid, version, conditions, action }) => new GpuObject(name, uuid, version, { conditions, action }));

/** What protobuf-es makes of the whole reply. */
const getReply = (message: Gpu) => toBinary(GetGpuResponseSchema, create(GetGpuResponseSchema, { gpu: message }));
const event = (type: string, message: Gpu) =>
  toBinary(WatchGpusResponseSchema, create(WatchGpusResponseSchema, { type, object: message }));
const list = (version: number, items: Gpu[]) => {
  const reply = { gpuList: { metadata: { resourceVersion: String(version) }, items } };
  return toBinary(ListGpusResponseSchema, create(ListGpusResponseSchema, reply));
};

function expectSameBytes(objects: readonly GpuObject[]): void {
  for (const object of objects) {
    expect(Buffer.compare(object.getReply, getReply(object.toMessage()))).toBe(0);
    for (const type of TYPES) expect(Buffer.compare(object.event(type), event(type, object.toMessage()))).toBe(0);
    expect(Buffer.compare(object.added, event("ADDED", object.toMessage()))).toBe(0);
  }
  const messages = objects.map((object) => object.toMessage());
  expect(Buffer.compare(new Snapshot(VERSION, [...objects]).reply, list(VERSION, messages))).toBe(0);
}

describe("the encoded replies", () => {
  test("are what protobuf-es makes of the whole reply, for any GPUs", () => {
    fc.assert(fc.property(fc.array(gpu, { maxLength: 4 }), expectSameBytes), { numRuns: 300 });
  });

  // Each length that a header counts (object, item, list, reply) passes the borders where it takes one byte more.
  test.each([127, 128, 16_383, 16_384, 2_097_151, 2_097_152])("are right where lengths pass %d bytes", (border) => {
    for (let length = border - 110; length <= border + 4; length++) {
      if (border > 20_000 && length % 7 !== 0) continue;
      const object = new GpuObject("g", "x".repeat(Math.max(0, length)), VERSION, { conditions: [], action: "" });
      expect(Buffer.compare(object.getReply, getReply(object.toMessage()))).toBe(0);
      expect(Buffer.compare(object.event("ADDED"), event("ADDED", object.toMessage()))).toBe(0);
      expect(Buffer.compare(new Snapshot(VERSION, [object]).reply, list(VERSION, [object.toMessage()]))).toBe(0);
    }
  });

  test("are made once: every consumer gets the same bytes", () => {
    const object = new GpuObject("gpu-0", "GPU-0", VERSION, { conditions: [], action: "" });
    const snapshot = new Snapshot(VERSION, [object]);
    expect(object.getReply).toBe(object.getReply);
    expect(object.listItem).toBe(object.listItem);
    expect(object.added).toBe(object.added);
    expect(snapshot.reply).toBe(snapshot.reply);
  });

  test("of an empty list carry the version and no items", () => {
    const { gpuList } = fromBinary(ListGpusResponseSchema, emptyListReply(VERSION));
    expect([gpuList?.metadata?.resourceVersion, gpuList?.items]).toEqual([String(VERSION), []]);
  });
});

describe("a GPU object", () => {
  test("shows one version in both places, and no namespace", () => {
    const object = new GpuObject("gpu-0", "GPU-0", VERSION, { conditions: [], action: "" });
    const { gpu: decoded } = fromBinary(GetGpuResponseSchema, object.getReply);
    expect(decoded?.metadata).toMatchObject({ name: "gpu-0", resourceVersion: String(VERSION), namespace: "" });
    expect(decoded?.resourceVersion).toBe(BigInt(VERSION));
    const deleted = object.deletedAt(VERSION + 1).toMessage();
    expect([deleted.resourceVersion, deleted.spec?.uuid]).toEqual([BigInt(VERSION + 1), "GPU-0"]);
  });

  test("is left as it was by the one that replaces it", () => {
    const since = { seconds: 1n, nanos: 0 };
    const conditions = ["Ready", "A", "B"].map(
      (type) => ({ type, status: "True", reason: "", message: "", since }) as const,
    );
    const object = new GpuObject("gpu-0", "GPU-0", VERSION, { conditions, action: "" });
    const [before, bytes] = [[...object.status.conditions], Buffer.from(object.getReply)];
    new GpuObject("gpu-0", "GPU-0", VERSION + 1, { conditions: conditions.slice(0, 2), action: "" }, object);
    object.deletedAt(VERSION + 2);
    expect([object.status.conditions, Buffer.from(object.getReply)]).toEqual([before, bytes]);
  });

  test("cannot be changed, and gives away messages that can", () => {
    const object = new GpuObject("gpu-0", "GPU-0", VERSION, { conditions: [], action: "" });
    expect(Object.isFrozen(object) && Object.isFrozen(object.status)).toBe(true);
    const message = object.toMessage();
    message.resourceVersion = 5n;
    expect(object.toMessage().resourceVersion).toBe(BigInt(VERSION));
  });
});
