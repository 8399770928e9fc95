import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { UNBOUNDED } from "../../src/base/cancel-scope.ts";
import { GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import type { Writer } from "../../src/store/types.ts";
import { followStream } from "../support/event-stream.ts";
import { TestClient } from "../support/test-client.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

/** Reads over real sockets while a transaction over 8 GPUs is held open inside the server. */

const { getGpu, listGpus, watchGpus } = GpuService.method;
const NAMES = Array.from({ length: 8 }, (_, i) => `gpu-${i}`);
const WRITER: Writer = { kind: "peer", identity: "uid:0", superuser: true, claimedId: "holder" };

interface JsonGpu {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly reason: string }[] };
}

let server: TestServer;
let client: TestClient;

beforeAll(async () => {
  server = await startTestServer();
  client = new TestClient(server.unixTarget);
  for (const name of NAMES) await client.call(ProviderService.method.registerGpu, { name });
});

afterAll(async () => {
  client[Symbol.dispose]();
  await server.stop();
});

/** Writes the round's mark to all GPUs, waits while the transaction is open, and then commits or throws. */
async function hold(round: string, until: Promise<unknown>): Promise<void> {
  await server.store.write(UNBOUNDED, async (transaction) => {
    for (const [i, name] of NAMES.entries()) {
      if (i === 4) await until;
      const condition = { type: "Round", status: "True", reason: round, message: "", at: undefined } as const;
      transaction.updateCondition(WRITER, name, condition);
    }
  });
}

const settled = async (call: Promise<unknown>) => {
  let done = false;
  void call.then(() => {
    done = true;
  });
  await Bun.sleep(150);
  return done;
};

describe("while a provider's transaction over 8 GPUs is open", () => {
  test("Get, List and a new Watch wait, and then see all 8 changes", async () => {
    const { promise: release, resolve } = Promise.withResolvers<void>();
    const held = hold("first", release);
    const get = client.call(getGpu, { name: "gpu-0" });
    const list = client.call(listGpus, {});
    const watch = client.stream(watchGpus, {});
    expect(await Promise.all([settled(get), settled(list)])).toEqual([false, false]);
    expect(watch.messages.length).toBe(0);
    await Bun.sleep(700);
    resolve();
    await held;
    expect((await get).gpu?.status?.conditions.map(({ reason }) => reason)).toEqual(["first", "first"]);
    const items = (await list).gpuList?.items ?? [];
    expect(items.map((gpu) => gpu.status?.conditions[1]?.reason)).toEqual(NAMES.map(() => "first"));
    const events = await watch.messagesUpTo(8);
    expect(events.map(({ type, object }) => [type, object?.status?.conditions[1]?.reason])).toEqual(
      NAMES.map(() => ["ADDED", "first"]),
    );
    watch.call.cancel();
  });

  test("the page's reads and its stream wait as well, and then see all 8 changes", async () => {
    const { promise: release, resolve } = Promise.withResolvers<void>();
    const held = hold("page", release);
    const ask = async <T>(path: string) => (await (await fetch(`${server.uiUrl}${path}`)).json()) as T;
    const get = ask<JsonGpu>("/api/v1/gpus/gpu-0");
    const list = ask<{ items: JsonGpu[] }>("/api/v1/gpus");
    const events = ask<{ events: { gpu: string }[] }>("/api/v1/events?limit=8");
    const stream = followStream(server.uiUrl);
    const all = [get, list, events, stream].map((call: Promise<unknown>) => settled(call));
    expect(await Promise.all(all)).toEqual([false, false, false, false]);
    resolve();
    await held;
    const roundOf = (gpu: JsonGpu) => gpu.status.conditions.find(({ type }) => type === "Round")?.reason;
    expect(roundOf(await get)).toBe("page");
    expect((await list).items.map(roundOf)).toEqual(NAMES.map(() => "page"));
    expect((await events).events.map(({ gpu }) => gpu)).toEqual(NAMES.toReversed());
    using followed = await stream;
    await followed.until(() => followed.data("synced").length === 1, "the snapshot");
    expect(followed.data("ADDED").map(({ object }) => roundOf(object as JsonGpu))).toEqual(NAMES.map(() => "page"));
  });

  test("a read with a deadline of 50 ms gets DEADLINE_EXCEEDED, and a later one is served", async () => {
    const { promise: release, resolve } = Promise.withResolvers<void>();
    const held = hold("second", release);
    const deadline = () => ({ deadline: Date.now() + 50 });
    const failures = await Promise.all([
      client.failure(getGpu, { name: "gpu-0" }, deadline()),
      client.failure(listGpus, {}, deadline()),
    ]);
    expect(failures.map(({ code }) => code)).toEqual(["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"]);
    resolve();
    await held;
    const gpu = (await client.call(getGpu, { name: "gpu-7" })).gpu;
    expect(gpu?.status?.conditions[1]?.reason).toBe("second");
  });

  test("a transaction that throws half way shows nothing of itself", async () => {
    const before = await client.call(listGpus, {});
    const held = hold("third", Promise.reject(new Error("the provider failed")));
    const list = client.call(listGpus, {});
    await expect(held).rejects.toThrow("the provider failed");
    expect(await list).toEqual(before);
  });

  test("an open watch sees the 8 changes of one transaction with rising versions", async () => {
    const watch = client.stream(watchGpus, {});
    await watch.messagesUpTo(8);
    await hold("fourth", Bun.sleep(10));
    const events = (await watch.messagesUpTo(16)).slice(8);
    const versions = events.map(({ object }) => object?.resourceVersion ?? 0n);
    expect(events.map(({ type }) => type)).toEqual(NAMES.map(() => "MODIFIED"));
    expect(versions).toEqual(versions.map((_, i) => (versions[0] ?? 0n) + BigInt(i)));
    watch.call.cancel();
  });
});
