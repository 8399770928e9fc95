import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import {
  ProviderService,
  RegisterGpuRequestSchema,
  UpdateGpuConditionRequestSchema,
} from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { failing, failureOf, pathOf, TestClient } from "../support/test-client.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

/** T-VAL-1: every limit of the contract, from both sides, over a real socket; a refused write changes nothing. */

const { registerGpu, updateGpuStatus, updateGpuCondition, unregisterGpu, heartbeat } = ProviderService.method;
const { getGpu, listGpus, watchGpus } = GpuService.method;

let server: TestServer;
let client: TestClient;

beforeAll(async () => {
  server = await startTestServer();
  client = new TestClient(server.unixTarget);
  await client.call(registerGpu, { name: "known", spec: { uuid: "GPU-known" } });
  await client.call(registerGpu, { name: "crowded" });
});

afterAll(async () => {
  client[Symbol.dispose]();
  await server.stop();
});

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "OK";
  } catch (error) {
    return failureOf(error).code;
  }
}

const condition = (fields: Record<string, unknown>) => ({ type: "Memory", status: "True", ...fields });
const write = (fields: Record<string, unknown>) =>
  client.call(updateGpuCondition, { name: "known", condition: condition(fields) });
const register = (name: string, rest: Record<string, unknown> = {}) => client.call(registerGpu, { name, ...rest });
/** A character outside the basic plane counts as one. */
const astral = (count: number) => "\u{1F525}".repeat(count);

const CASES: readonly (readonly [string, () => Promise<unknown>, string])[] = [
  // Names
  ["a name of one letter", () => register("a"), "OK"],
  ["a name of 253 characters", () => register("n".repeat(253)), "OK"],
  ["a name with every allowed character", () => register("A-z.0_9"), "OK"],
  ["a name as the driver prints it", () => register("GPU-6f4d2b5e-0a86-47ac-8e91-ccba0a1f39a4"), "OK"],
  ["an empty name", () => register(""), "INVALID_ARGUMENT"],
  ["a name of 254 characters", () => register("n".repeat(254)), "INVALID_ARGUMENT"],
  ["a name that begins with a dash", () => register("-a"), "INVALID_ARGUMENT"],
  ["a name that ends with a dot", () => register("a."), "INVALID_ARGUMENT"],
  ["a name with a space", () => register("a b"), "INVALID_ARGUMENT"],
  ["a name with a slash", () => register("a/b"), "INVALID_ARGUMENT"],
  ["a name with a newline", () => register("a\nb"), "INVALID_ARGUMENT"],
  ["a name that ends with a newline", () => register("a\n"), "INVALID_ARGUMENT"],
  ["a name with NUL", () => register("a\0b"), "INVALID_ARGUMENT"],
  ["a name with a letter outside ASCII", () => register("gpü"), "INVALID_ARGUMENT"],
  ["a name with a control character", () => register("a\u001b[31m"), "INVALID_ARGUMENT"],
  ["the name __proto__", () => register("__proto__"), "INVALID_ARGUMENT"],
  ["the name constructor", () => register("constructor"), "OK"],
  // Spec and provider id
  ["no spec", () => register("nospec"), "OK"],
  ["a uuid of 253 characters", () => register("u1", { spec: { uuid: "u".repeat(253) } }), "OK"],
  ["a uuid of 254 characters", () => register("u2", { spec: { uuid: "u".repeat(254) } }), "INVALID_ARGUMENT"],
  ["a uuid known under another name", () => register("u3", { spec: { uuid: "gpu-KNOWN" } }), "ALREADY_EXISTS"],
  ["a provider id of 253 characters", () => register("p1", { providerId: "p".repeat(253) }), "OK"],
  ["a provider id of 254 characters", () => register("p2", { providerId: "p".repeat(254) }), "INVALID_ARGUMENT"],
  ["the built-in id nvml-provider", () => register("p3", { providerId: "nvml-provider" }), "PERMISSION_DENIED"],
  ["the built-in id simulated", () => register("p4", { providerId: "simulated" }), "PERMISSION_DENIED"],
  ["the built-in id operator", () => register("p5", { providerId: "operator" }), "PERMISSION_DENIED"],
  // Conditions
  ["a type of 316 characters", () => write({ type: "t".repeat(316) }), "OK"],
  ["a type of 317 characters", () => write({ type: "t".repeat(317) }), "INVALID_ARGUMENT"],
  ["a type of 316 characters outside the basic plane", () => write({ type: astral(316) }), "OK"],
  ["a type of 317 characters outside the basic plane", () => write({ type: astral(317) }), "INVALID_ARGUMENT"],
  ["an empty type", () => write({ type: "" }), "INVALID_ARGUMENT"],
  ["status True", () => write({ status: "True" }), "OK"],
  ["status False", () => write({ status: "False" }), "OK"],
  ["status Unknown", () => write({ status: "Unknown" }), "OK"],
  ["status true", () => write({ status: "true" }), "INVALID_ARGUMENT"],
  ["status TRUE", () => write({ status: "TRUE" }), "INVALID_ARGUMENT"],
  ["status with a blank", () => write({ status: "True " }), "INVALID_ARGUMENT"],
  ["an empty status", () => write({ status: "" }), "INVALID_ARGUMENT"],
  ["a long status", () => write({ status: "x".repeat(100_000) }), "INVALID_ARGUMENT"],
  ["a reason of 1,024 characters", () => write({ reason: "r".repeat(1_024) }), "OK"],
  ["a reason of 1,025 characters", () => write({ reason: "r".repeat(1_025) }), "INVALID_ARGUMENT"],
  ["a message of 4,096 characters", () => write({ message: "m".repeat(4_096) }), "OK"],
  ["a message of 4,097 characters", () => write({ message: "m".repeat(4_097) }), "INVALID_ARGUMENT"],
  ["a message of 4,096 characters outside the basic plane", () => write({ message: astral(4_096) }), "OK"],
  [
    "a message of 4,097 characters outside the basic plane",
    () => write({ message: astral(4_097) }),
    "INVALID_ARGUMENT",
  ],
  ["a message of 1 MB", () => write({ message: "m".repeat(1_000_000) }), "INVALID_ARGUMENT"],
  ["a message of 5 MB", () => write({ message: "m".repeat(5_000_000) }), "RESOURCE_EXHAUSTED"],
  ["a message with NUL, newline and escape codes", () => write({ message: "a\0b\nc\u001b[31md" }), "OK"],
  ["a message with a line separator", () => write({ message: "a\u2028b" }), "OK"],
  ["no condition", () => client.call(updateGpuCondition, { name: "known" }), "INVALID_ARGUMENT"],
  ["no status", () => client.call(updateGpuStatus, { name: "known" }), "INVALID_ARGUMENT"],
  ["64 conditions", () => update(64), "OK"],
  ["65 conditions", () => update(65), "RESOURCE_EXHAUSTED"],
  ["10,000 conditions", () => update(10_000), "RESOURCE_EXHAUSTED"],
  ["a 65th condition of another provider", () => oneMore(), "RESOURCE_EXHAUSTED"],
  ["the same type twice", () => statusOf([condition({}), condition({})]), "INVALID_ARGUMENT"],
  ["an empty report", () => statusOf([]), "OK"],
  ["an advice of 256 characters", () => advice("a".repeat(256)), "OK"],
  ["an advice of 257 characters", () => advice("a".repeat(257)), "INVALID_ARGUMENT"],
  // Times
  ["a time with negative nanos", () => write({ lastTransitionTime: { seconds: 1_790_000_000n, nanos: -1 } }), "OK"],
  ["a time far ahead", () => write({ lastTransitionTime: { seconds: 253_402_300_799n, nanos: 0 } }), "OK"],
  ["the smallest possible time", () => write({ lastTransitionTime: { seconds: -(2n ** 63n), nanos: 0 } }), "OK"],
  // Reads
  ["get without a name", () => client.call(getGpu, { name: "" }), "INVALID_ARGUMENT"],
  ["get of an unknown name", () => client.call(getGpu, { name: "nobody" }), "NOT_FOUND"],
  ["get of a name that cannot exist", () => client.call(getGpu, { name: "a b\n" }), "NOT_FOUND"],
  ["get of a name of 8,000 characters", () => client.call(getGpu, { name: "x".repeat(8_000) }), "NOT_FOUND"],
  ["get of a name of 9,000 characters", () => client.call(getGpu, { name: "x".repeat(9_000) }), "RESOURCE_EXHAUSTED"],
  ["get with another spelling", () => client.call(getGpu, { name: "KNOWN" }), "OK"],
  ["get in the namespace default", () => read({ namespace: "default" }), "OK"],
  ["get in another namespace", () => read({ namespace: "kube-system" }), "NOT_FOUND"],
  ["get at version 0", () => read({ resourceVersion: "0" }), "OK"],
  ["get at a version far ahead", () => read({ resourceVersion: "9223372036854775807" }), "OK"],
  ["get at a negative version", () => read({ resourceVersion: "-1" }), "OK"],
  ["get at a version over int64", () => read({ resourceVersion: "9223372036854775808" }), "INVALID_ARGUMENT"],
  ["get at a version under int64", () => read({ resourceVersion: "-9223372036854775809" }), "INVALID_ARGUMENT"],
  ["get at a version with a sign", () => read({ resourceVersion: "+1" }), "INVALID_ARGUMENT"],
  ["get at a hexadecimal version", () => read({ resourceVersion: "0x10" }), "INVALID_ARGUMENT"],
  ["get at a version with a blank", () => read({ resourceVersion: " 1" }), "INVALID_ARGUMENT"],
  ["get at a version with an exponent", () => read({ resourceVersion: "1e3" }), "INVALID_ARGUMENT"],
  ["get at a version of 8,000 digits", () => read({ resourceVersion: "1".repeat(8_000) }), "INVALID_ARGUMENT"],
  ["get at a version of 9,000 digits", () => read({ resourceVersion: "1".repeat(9_000) }), "RESOURCE_EXHAUSTED"],
  ["list at a word", () => client.call(listGpus, { opts: { resourceVersion: "abc" } }), "INVALID_ARGUMENT"],
  ["list at a version far ahead", () => client.call(listGpus, { opts: { resourceVersion: "9999999999999999" } }), "OK"],
  ["watch from a word", () => watchEnd("abc"), "INVALID_ARGUMENT"],
  ["watch from a version ahead", () => watchEnd("9223372036854775807"), "OUT_OF_RANGE"],
  ["watch from a version long gone", () => watchEnd("1"), "OUT_OF_RANGE"],
  ["watch from a negative version", () => watchEnd("-1"), "OUT_OF_RANGE"],
  // Others
  ["unregister without a name", () => client.call(unregisterGpu, { name: "" }), "INVALID_ARGUMENT"],
  ["unregister of an unknown name", () => client.call(unregisterGpu, { name: "nobody" }), "OK"],
  ["update of an unknown name", () => client.call(updateGpuStatus, { name: "nobody", status: {} }), "NOT_FOUND"],
  ["heartbeat without an id", () => client.call(heartbeat, { providerId: "" }), "INVALID_ARGUMENT"],
  ["heartbeat with an unknown GPU", () => client.call(heartbeat, { providerId: "hb", gpuNames: ["x\ny"] }), "OK"],
  ["heartbeat with 4,097 GPUs", () => beat(4_097), "RESOURCE_EXHAUSTED"],
];

const conditions = (count: number) => Array.from({ length: count }, (_, i) => condition({ type: `T${i}` }));
const statusOf = (list: object[]) => client.call(updateGpuStatus, { name: "known", status: { conditions: list } });
const advice = (recommendedAction: string) =>
  client.call(updateGpuStatus, { name: "known", status: { conditions: [], recommendedAction } });
const read = (opts: object) => client.call(getGpu, { name: "known", opts });
const beat = (count: number) =>
  client.call(heartbeat, { providerId: "hb", gpuNames: Array.from({ length: count }, (_, i) => `g${i}`) });

/** Fills `crowded` with one provider, so that the next case meets the limit with another. */
const update = (count: number) =>
  client.call(updateGpuStatus, { name: "crowded", status: { conditions: conditions(count) }, providerId: "many" });
const oneMore = () => client.call(updateGpuCondition, { name: "crowded", condition: condition({ type: "more" }) });

async function watchEnd(resourceVersion: string): Promise<never> {
  const end = await client.stream(watchGpus, { opts: { resourceVersion } }).status();
  throw Object.assign(new Error(end.details), { code: CODE_NUMBER[end.code], details: end.details });
}
const CODE_NUMBER: Readonly<Record<string, number>> = { INVALID_ARGUMENT: 3, OUT_OF_RANGE: 11, CANCELLED: 1 };

/** Control characters and the separators that some readers take for a line's end. */
const breaksLine = (char: string) =>
  char < " " || (char >= "\u007f" && char <= "\u009f") || char === "\u2028" || char === "\u2029";

describe("T-VAL-1, over a real socket", () => {
  for (const [what, call, code] of CASES) {
    test(`${what}: ${code}`, async () => {
      const before = await client.call(listGpus, {});
      expect(await codeOf(call())).toBe(code);
      if (code === "OK") return;
      expect(await client.call(listGpus, {})).toEqual(before);
    });
  }

  test("the refusal of a limit names the field and the limit", async () => {
    const failure = await failing(write({ reason: "r".repeat(1_025) }));
    expect(failure.details).toBe("condition.reason: 1025 characters, the limit is 1024");
  });

  test("bytes that are not UTF-8 are refused in every text field", async () => {
    const bytes = toBinary(
      UpdateGpuConditionRequestSchema,
      create(UpdateGpuConditionRequestSchema, { name: "known", condition: { type: "MARK", status: "True" } }),
    );
    const at = Buffer.from(bytes).indexOf("MARK");
    bytes.set([0xff, 0xfe, 0xc0, 0x80], at);
    expect((await failing(client.callRaw(pathOf(updateGpuCondition), bytes))).code).toBe("INVALID_ARGUMENT");
  });

  test("a surrogate half, encoded as CESU-8 would, is refused", async () => {
    const bytes = toBinary(RegisterGpuRequestSchema, create(RegisterGpuRequestSchema, { name: "MARK" }));
    const at = Buffer.from(bytes).indexOf("MARK");
    bytes.set([0xed, 0xa0, 0x80, 0x41], at);
    expect((await failing(client.callRaw(pathOf(registerGpu), bytes))).code).toBe("INVALID_ARGUMENT");
  });

  test("bytes that are no protobuf are refused for every method", async () => {
    for (const method of [
      getGpu,
      listGpus,
      registerGpu,
      unregisterGpu,
      updateGpuStatus,
      updateGpuCondition,
      heartbeat,
    ]) {
      const failure = await failing(client.callRaw(pathOf(method), Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0x07)));
      expect([method.name, failure.code]).toEqual([method.name, "INVALID_ARGUMENT"]);
    }
  });

  test("what peers sent never broke a log line", () => {
    expect(server.logLines.length).toBeGreaterThan(0);
    for (const line of server.logLines) {
      expect([...line].filter(breaksLine)).toEqual([]);
      expect(() => JSON.parse(line)).not.toThrow();
    }
  });
});
