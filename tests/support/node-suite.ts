import { strict as assert } from "node:assert";
import { create, toBinary } from "@bufbuild/protobuf";
import { GpuService, GpuStatusSchema } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { failing, TestClient } from "./test-client.ts";

/**
 * The contract from a client on Node: each method, each kind of error, a resumed watch. Bundled by the test that runs
 * it; prints one line of JSON for each check. Argument: TARGET.
 */

const { getGpu, listGpus, watchGpus } = GpuService.method;
const { registerGpu, unregisterGpu, updateGpuStatus, updateGpuCondition, heartbeat } = ProviderService.method;

const client = new TestClient(process.argv[2] ?? "");
const version = async () => BigInt((await client.call(listGpus, {})).gpuList?.metadata?.resourceVersion ?? "0");
const write = (status: string, reason = "") =>
  client.call(updateGpuCondition, { name: "node-a", condition: { type: "Memory", status, reason } });

const CHECKS: Readonly<Record<string, () => Promise<unknown>>> = {
  async "register answers created, then not"() {
    const first = await client.call(registerGpu, { name: "node-a", spec: { uuid: "GPU-node-a" } });
    const second = await client.call(registerGpu, { name: "NODE-A", spec: { uuid: "GPU-node-a" } });
    assert.deepEqual([first.created, second.created], [true, false]);
    assert.equal(first.resourceVersion, second.resourceVersion);
  },
  async "update status and condition raise the version by one each; a repetition raises nothing"() {
    const before = await version();
    const status = create(GpuStatusSchema, { conditions: [{ type: "Memory", status: "True" }] });
    assert.equal((await client.call(updateGpuStatus, { name: "node-a", status })).resourceVersion, before + 1n);
    assert.equal((await write("False", "Dbe")).resourceVersion, before + 2n);
    assert.equal((await write("False", "Dbe")).resourceVersion, before + 2n);
    assert.equal(await version(), before + 2n);
  },
  async "get and list show one state under one version"() {
    const gpu = (await client.call(getGpu, { name: "node-a" })).gpu;
    assert.equal(gpu?.metadata?.resourceVersion, String(gpu?.resourceVersion));
    assert.deepEqual(
      gpu?.status?.conditions.map(({ type, status }) => `${type}=${status}`),
      ["Ready=False", "Memory=False"],
    );
    const item = (await client.call(listGpus, {})).gpuList?.items.find(({ metadata }) => metadata?.name === "node-a");
    assert.deepEqual(item, gpu);
  },
  async "a watch shows the snapshot and every later change once"() {
    const watch = client.stream(watchGpus, {});
    await watch.messagesUpTo(1);
    const from = await version();
    for (const reason of ["a", "b", "c"]) await write("False", reason);
    await client.call(registerGpu, { name: "node-b" });
    await client.call(unregisterGpu, { name: "node-b" });
    const events = (await watch.messagesUpTo(6)).slice(1);
    assert.deepEqual(
      events.map(({ type }) => type),
      ["MODIFIED", "MODIFIED", "MODIFIED", "ADDED", "DELETED"],
    );
    assert.deepEqual(
      events.map(({ object }) => (object?.resourceVersion ?? 0n) - from),
      [1n, 2n, 3n, 4n, 5n],
    );
    watch.call.cancel();
  },
  async "a watch resumes right after a version"() {
    const from = await version();
    for (const reason of ["d", "e", "f"]) await write("False", reason);
    const watch = client.stream(watchGpus, { opts: { resourceVersion: String(from + 1n) } });
    const events = await watch.messagesUpTo(2);
    assert.deepEqual(
      events.map(({ object }) => object?.status?.conditions[1]?.reason),
      ["e", "f"],
    );
    await write("True");
    assert.equal((await watch.messagesUpTo(3))[2]?.object?.resourceVersion, from + 4n);
    watch.call.cancel();
  },
  async "a version before the history and one ahead of it are OUT_OF_RANGE"() {
    for (const resourceVersion of ["1", String((await version()) + 1n)]) {
      const end = await client.stream(watchGpus, { opts: { resourceVersion } }).status();
      assert.equal(end.code, "OUT_OF_RANGE");
    }
  },
  async "a watch of another namespace is open and silent"() {
    const watch = client.stream(watchGpus, { opts: { namespace: "other" } });
    await write("Unknown");
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual([watch.messages.length, watch.end], [0, undefined]);
    watch.call.cancel();
  },
  async "heartbeats are acknowledged"() {
    assert.equal((await client.call(heartbeat, { providerId: "node", gpuNames: ["nobody"] })).acknowledged, true);
  },
  async "each mistake has its code"() {
    const code = async (call: Promise<unknown>) => (await failing(call)).code;
    assert.equal(await code(client.call(getGpu, {})), "INVALID_ARGUMENT");
    assert.equal(await code(client.call(getGpu, { name: "nobody" })), "NOT_FOUND");
    assert.equal(await code(client.call(registerGpu, { name: "x", spec: { uuid: "GPU-node-a" } })), "ALREADY_EXISTS");
    assert.equal(await code(client.call(registerGpu, { name: "x", providerId: "operator" })), "PERMISSION_DENIED");
    const many = Array.from({ length: 65 }, (_, i) => ({ type: `T${i}`, status: "True" }));
    const crowded = client.call(updateGpuStatus, { name: "node-a", status: { conditions: many } });
    assert.equal(await code(crowded), "RESOURCE_EXHAUSTED");
    const service = "/nvidia.device.v1alpha1.GpuService";
    assert.equal(await code(client.callRaw(`${service}/DeleteGpu`, Buffer.alloc(0))), "UNIMPLEMENTED");
    assert.equal(await code(client.callRaw("/no.Such/Method", Buffer.alloc(0))), "UNIMPLEMENTED");
    assert.equal(await code(client.callRaw(`${service}/GetGpu`, Buffer.from([0x0a, 0xff]))), "INVALID_ARGUMENT");
    const huge = toBinary(GpuStatusSchema, create(GpuStatusSchema, { recommendedAction: "x".repeat(5_000_000) }));
    assert.equal(await code(client.callRaw(`${service}/GetGpu`, huge)), "RESOURCE_EXHAUSTED");
  },
  async "unregister takes the GPU away"() {
    assert.equal((await client.call(unregisterGpu, { name: "node-a" })).deleted, true);
    assert.equal((await client.call(unregisterGpu, { name: "node-a" })).deleted, false);
    assert.equal((await failing(client.call(getGpu, { name: "node-a" }))).code, "NOT_FOUND");
  },
};

for (const [name, check] of Object.entries(CHECKS)) {
  let problem: string | undefined;
  try {
    await check();
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  console.log(JSON.stringify({ name, problem }));
}
client[Symbol.dispose]();
process.exit(0);
