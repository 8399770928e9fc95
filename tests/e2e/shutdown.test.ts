import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { UNBOUNDED } from "../../src/base/cancel-scope.ts";
import { GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { spawnBinary } from "../support/binary.ts";
import { failureOf, TestClient } from "../support/test-client.ts";
import { startTestServer } from "../support/test-server.ts";

/** T-TERM-1: the end of a server as its clients see it. */

const { listGpus, watchGpus } = GpuService.method;
const RUNS = 20;
const WATCHES = 1_000;
/** Streams that one connection may have. */
const PER_CONNECTION = 500;

describe("SIGTERM with 1,000 open watches and calls in flight", () => {
  test(
    `${RUNS} runs: calls finish, watches end with UNAVAILABLE, exit 0, the socket is gone`,
    async () => {
      for (let run = 0; run < RUNS; run++) await terminateOnce(run % 2 === 0 ? "SIGTERM" : "SIGINT");
    },
    RUNS * 30_000,
  );
});

async function terminateOnce(signal: "SIGTERM" | "SIGINT"): Promise<void> {
  await using binary = await spawnBinary(["--simulate=2"]);
  const clients = Array.from({ length: WATCHES / PER_CONNECTION }, () => new TestClient(binary.unixTarget));
  const watches = clients.flatMap((client) =>
    Array.from({ length: PER_CONNECTION }, () => client.stream(watchGpus, {})),
  );
  await Promise.all(watches.map((watch) => watch.messagesUpTo(2)));
  const caller = new TestClient(binary.unixTarget);
  await caller.call(listGpus, {});
  const calls = Array.from({ length: 100 }, () => caller.call(listGpus, {}).then(() => "OK", codeOf));
  binary.process.kill(signal);
  const ends = await Promise.all(watches.map((watch) => watch.status()));
  expect(new Set(ends.map(({ code }) => code))).toEqual(new Set(["UNAVAILABLE"]));
  for (const code of await Promise.all(calls)) expect(["OK", "UNAVAILABLE"]).toContain(code);
  expect(await binary.process.exited).toBe(0);
  expect(existsSync(binary.socket)).toBe(false);
  for (const client of [caller, ...clients]) client[Symbol.dispose]();
}

const codeOf = (error: unknown) => failureOf(error).code;

describe("while the server drains", () => {
  test("a call that waits for an update finishes, and a new one is answered UNAVAILABLE", async () => {
    const server = await startTestServer();
    const client = new TestClient(server.unixTarget);
    await client.call(listGpus, {});
    const { promise: release, resolve } = Promise.withResolvers<void>();
    const held = server.store.write(UNBOUNDED, () => release);
    const waiting = client.call(listGpus, {});
    await Bun.sleep(50);
    const stopped = server.stop();
    await Bun.sleep(50);
    expect((await client.failure(listGpus, {})).code).toBe("UNAVAILABLE");
    resolve();
    await held;
    expect((await waiting).gpuList?.items).toEqual([]);
    await stopped;
    client[Symbol.dispose]();
  });

  test("it is not ready, still live, and says NOT_SERVING before it closes", async () => {
    const server = await startTestServer(["--shutdown-delay=500ms"]);
    const client = new TestClient(server.unixTarget);
    const health = client.stream(Health.method.watch, { service: "" });
    await health.messagesUpTo(1);
    const status = async (path: string) => (await fetch(`${server.healthUrl}${path}`)).status;
    expect([await status("/livez"), await status("/readyz"), await status("/healthz")]).toEqual([200, 200, 200]);
    const stopped = server.stop();
    expect([await status("/livez"), await status("/readyz")]).toEqual([200, 503]);
    const reasons = await (await fetch(`${server.healthUrl}/readyz?verbose`)).json();
    expect(JSON.stringify(reasons)).toContain("draining");
    expect((await health.messagesUpTo(2)).map((reply) => reply.status)).toEqual([1, 2]);
    expect((await client.call(listGpus, {})).gpuList?.items).toEqual([]);
    await stopped;
    client[Symbol.dispose]();
  });
});

test("a second signal ends the process at once", async () => {
  await using binary = await spawnBinary(["--shutdown-delay=60s"]);
  binary.process.kill("SIGTERM");
  while (!binary.logLines.some((line) => line.includes("draining"))) await Bun.sleep(20);
  binary.process.kill("SIGTERM");
  expect(await binary.process.exited).not.toBe(0);
});
