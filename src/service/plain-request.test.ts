import { expect, test } from "bun:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { type UpdateGpuConditionRequest, UpdateGpuConditionRequestSchema } from "../gen/device/v1alpha1/provider_pb.ts";
import { type PlainConditionRequest, readConditionRequest } from "./plain-request.ts";

const ascii = fc.string({ unit: "binary-ascii", maxLength: 200 });
const text = fc.oneof({ weight: 5, arbitrary: ascii }, fc.string({ unit: "binary", maxLength: 50 }));
const time = fc.record({
  seconds: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 33n }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  nanos: fc.oneof(fc.nat(999_999_999), fc.integer()),
});
const request = fc
  .record({
    name: text,
    providerId: text,
    condition: fc.option(
      fc.record({
        type: text,
        status: fc.oneof(fc.constantFrom("True", "False", "Unknown"), text),
        reason: text,
        message: text,
        lastTransitionTime: fc.option(time, { nil: undefined }),
      }),
      { nil: undefined },
    ),
  })
  .map((init) => create(UpdateGpuConditionRequestSchema, init as Parameters<typeof create>[1]));

/** What both readers give, in one form; undefined where the library refuses. */
function byLibrary(bytes: Uint8Array) {
  try {
    return formOf(fromBinary(UpdateGpuConditionRequestSchema, bytes));
  } catch {
    return undefined;
  }
}

function formOf({ name, providerId, condition }: PlainConditionRequest | UpdateGpuConditionRequest) {
  if (condition === undefined) return { name, providerId, condition };
  const { type, status, reason, message, lastTransitionTime: at } = condition;
  const since = at && { seconds: at.seconds, nanos: at.nanos };
  return { name, providerId, condition: { type, status, reason, message, lastTransitionTime: since } };
}

/** Whatever is read here is what the library reads; says whether it was read here. */
function expectSame(bytes: Uint8Array): boolean {
  const read = readConditionRequest(bytes);
  if (read === undefined) return false;
  expect(formOf(read)).toEqual(byLibrary(bytes) as ReturnType<typeof formOf>);
  return true;
}

test("what providers send is read here, and as the library reads it", () => {
  const bytes = toBinary(
    UpdateGpuConditionRequestSchema,
    create(UpdateGpuConditionRequestSchema, {
      name: "gpu-0",
      providerId: "nvsentinel",
      condition: {
        type: "XidError",
        status: "True",
        reason: "Xid79",
        message: "GPU has fallen off the bus\n",
        lastTransitionTime: { seconds: 1_790_000_000n, nanos: 5 },
      },
    }),
  );
  expect(expectSame(bytes)).toBe(true);
  expect(expectSame(new Uint8Array(0))).toBe(true);
});

test("any request is read as the library reads it, or not here", () => {
  let here = 0;
  fc.assert(
    fc.property(request, (message) => {
      if (expectSame(toBinary(UpdateGpuConditionRequestSchema, message))) here++;
    }),
    { numRuns: 2_000 },
  );
  expect(here).toBeGreaterThan(200);
});

test("any change of a byte, any cut and anything put together is read as the library reads it, or not here", () => {
  const change = fc.tuple(request, request, fc.nat(), fc.nat(255), fc.constantFrom("set", "cut", "insert", "join"));
  fc.assert(
    fc.property(change, ([message, other, place, value, how]) => {
      const bytes = toBinary(UpdateGpuConditionRequestSchema, message);
      const at = bytes.length === 0 ? 0 : place % bytes.length;
      const changed = {
        set: () => Buffer.from(bytes).map((byte, i) => (i === at ? value : byte)),
        cut: () => bytes.subarray(0, at),
        insert: () => Buffer.concat([bytes.subarray(0, at), Buffer.from([value]), bytes.subarray(at)]),
        join: () => Buffer.concat([bytes, toBinary(UpdateGpuConditionRequestSchema, other)]),
      }[how as "set"]();
      expectSame(changed);
    }),
    { numRuns: 5_000 },
  );
});

test("text that is not ASCII, a field that comes twice or out of order, and an unknown one are the library's", () => {
  const encode = (name: string) =>
    toBinary(UpdateGpuConditionRequestSchema, create(UpdateGpuConditionRequestSchema, { name }));
  expect(readConditionRequest(encode("gpü"))).toBeUndefined();
  expect(readConditionRequest(Buffer.concat([encode("a"), encode("b")]))).toBeUndefined();
  expect(readConditionRequest(Buffer.from([0x1a, 1, 0x61, 0x0a, 1, 0x61]))).toBeUndefined();
  expect(readConditionRequest(Buffer.from([0x7a, 1, 0x61]))).toBeUndefined();
  expect(readConditionRequest(Buffer.from([0x0a, 5, 0x61]))).toBeUndefined();
});
