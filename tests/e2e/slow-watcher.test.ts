import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { UNBOUNDED } from "../../src/base/cancel-scope.ts";
import { GpuService, type WatchGpusResponse } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { HISTORY_EVENTS_MAX } from "../../src/store/limits.ts";
import type { Writer } from "../../src/store/types.ts";
import { spawnBinary } from "../support/binary.ts";
import { TestClient } from "../support/test-client.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

/** T-SLOW-1, and the play that makes a server with a bounded channel for each watcher drop most events in silence. */

const { watchGpus, getGpu } = GpuService.method;
const WRITER: Writer = { kind: "peer", identity: "uid:0", superuser: true, claimedId: "storm" };

let server: TestServer;
let client: TestClient;
let written = 0;

beforeAll(async () => {
  server = await startTestServer();
  client = new TestClient(server.unixTarget);
  for (let i = 0; i < 8; i++) await client.call(ProviderService.method.registerGpu, { name: `gpu-${i}` });
});

afterAll(async () => {
  client[Symbol.dispose]();
  await server.stop();
});

function write(): void {
  written++;
  const status = written % 2 === 0 ? "True" : "False";
  const condition = { type: "Storm", status, reason: `n${written}`, message: "", at: undefined } as const;
  server.store.write(UNBOUNDED, (transaction) => transaction.updateCondition(WRITER, `gpu-${written % 8}`, condition));
}

/** Writes inside the server at this rate, in slices so that the server serves meanwhile; returns how many. */
async function storm(perSecond: number, forMs: number): Promise<number> {
  const [startedMs, before] = [performance.now(), written];
  for (let elapsedMs = 0; elapsedMs < forMs; elapsedMs = performance.now() - startedMs) {
    const due = (elapsedMs / 1_000) * perSecond;
    while (written - before < due) write();
    await Bun.sleep(1);
  }
  return written - before;
}

/** Every version from the first event on, without a gap or a repeat. */
function expectComplete(events: readonly WatchGpusResponse[]): void {
  const versions = events.map(({ object }) => object?.resourceVersion ?? 0n);
  expect(versions).toEqual(versions.map((_, i) => (versions[0] ?? 0n) + BigInt(i)));
}

test("a watcher that pauses for 6 s under 40,000 updates a second gets every event or OUT_OF_RANGE", async () => {
  // A connection of its own: a server may have to destroy it.
  using slowClient = new TestClient(server.unixTarget);
  const slow = slowClient.stream(watchGpus, {});
  await slow.messagesUpTo(8);
  slow.call.pause();
  const updates = await storm(40_000, 6_000);
  // On a machine too slow for that the play would show nothing.
  expect(updates).toBeGreaterThan(HISTORY_EVENTS_MAX);
  slow.call.resume();
  await slow.until(() => slow.end !== undefined || slow.messages.length === 8 + updates, "every event or an end");
  expectComplete(slow.messages.slice(8));
  if (slow.messages.length < 8 + updates) expect(slow.end?.code).toBe("OUT_OF_RANGE");
  console.log(`paused watcher: ${slow.messages.length - 8} of ${updates} events, then ${slow.end?.code ?? "all"}`);
}, 120_000);

test("a watcher that pauses within the history gets every event, and so does its neighbour", async () => {
  using neighbourClient = new TestClient(server.unixTarget);
  const watches = [client.stream(watchGpus, {}), neighbourClient.stream(watchGpus, {})];
  await Promise.all(watches.map((watch) => watch.messagesUpTo(8)));
  watches[0]?.call.pause();
  const updates = await storm(5_000, 1_000);
  watches[0]?.call.resume();
  for (const watch of watches) {
    expectComplete((await watch.messagesUpTo(8 + updates)).slice(8));
    expect([watch.messages.length, watch.end]).toEqual([8 + updates, undefined]);
    watch.call.cancel();
  }
}, 120_000);

describe("watchers that never read, under 100,000 updates to the compiled binary", () => {
  test("are ended or closed within 30 s, cost under 1 MB each, and others are served", async () => {
    await using binary = await spawnBinary([]);
    const writer = new TestClient(binary.unixTarget);
    await writer.call(ProviderService.method.registerGpu, { name: "gpu-0" });
    const clients = Array.from({ length: STALLED }, () => new TestClient(binary.unixTarget));
    // The history fills up first: what grows after that grows for the watchers.
    await updates(writer, 34_000);
    const stalled = clients.map((each) => each.stream(watchGpus, {}));
    await Promise.all(stalled.map((watch) => watch.messagesUpTo(1)));
    for (const watch of stalled) watch.call.pause();
    const rssBefore = await binary.metric("process_resident_memory_bytes");
    await updates(writer, 100_000);
    const grown = (await binary.metric("process_resident_memory_bytes")) - rssBefore;
    console.log(`${STALLED} stalled watchers: resident memory grew by ${(grown / 2 ** 20).toFixed(1)} MiB`);
    expect(grown).toBeLessThan(STALLED * 2 ** 20);
    const limit = performance.now() + 30_000;
    const active = () => binary.metric("device_api_server_watch_streams_active");
    while ((await active()) > 0 && performance.now() < limit) await Bun.sleep(200);
    expect(await active()).toBe(0);
    expect(await binary.metric("device_api_server_watch_streams_expired_total")).toBe(STALLED);
    expect((await writer.call(getGpu, { name: "gpu-0" })).gpu?.metadata?.name).toBe("gpu-0");
    for (const each of [writer, ...clients]) each[Symbol.dispose]();
  }, 240_000);
});

/** So many that a megabyte for each stands out of the noise of the collector, some 60 MiB. */
const STALLED = 128;
/** Enough calls in flight to keep the server busy from one connection. */
const IN_FLIGHT = 64;

async function updates(writer: TestClient, count: number): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const n = next++;
      const condition = { type: "Storm", status: n % 2 === 0 ? "True" : "False", reason: `n${n}` };
      await writer.call(ProviderService.method.updateGpuCondition, { name: "gpu-0", condition });
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}
