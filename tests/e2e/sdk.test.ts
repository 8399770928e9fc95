import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect as dialRaw, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClientset } from "../../src/client/clientset.ts";
import { connect } from "../../src/client/connection/connect.ts";
import type { Interceptor } from "../../src/client/connection/interceptor.ts";
import { spawnBinary } from "../support/binary.ts";

/** The SDK against the compiled binary: on both runtimes, over restarts, and where the server has no time. */

const ROOT = join(import.meta.dir, "../..");
let folder: string;

beforeAll(() => {
  mkdirSync(join(ROOT, "dist"), { recursive: true });
  // Inside the repository, so that what was compiled finds its dependencies.
  folder = mkdtempSync(join(ROOT, "dist/sdk-test-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function output(command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect([await child.exited, stderr]).toEqual([0, ""]);
  return stdout;
}

async function runSuite(runtime: string, sdk: string, extension: string): Promise<void> {
  const entry = join(ROOT, "tests/support/sdk-suite.ts");
  const built = await Bun.build({ entrypoints: [entry], target: "node", format: "esm", outdir: folder });
  expect(built.success).toBe(true);
  await using binary = await spawnBinary(["--simulate=3"]);
  const { unixTarget, tcpTarget } = binary;
  const printed = await output([runtime, join(folder, "sdk-suite.js"), sdk, extension, unixTarget, tcpTarget]);
  const checks = printed.trim().split("\n");
  const problems = checks.map((line) => JSON.parse(line) as { problem?: string });
  expect(problems.filter(({ problem }) => problem !== undefined)).toEqual([]);
  expect(checks.length).toBe(7);
}

test("the SDK does on Node, as it is compiled for it, all that it promises, and leaves nothing behind", async () => {
  const compiled = join(folder, "compiled");
  await output(["node_modules/.bin/tsc", "--project", "tsconfig.sdk.json", "--outDir", compiled]);
  await runSuite("node", compiled, "js");
});

test("the SDK does the same on Bun, from its source", async () => {
  await runSuite(process.execPath, join(ROOT, "src"), "ts");
});

test("a provider that is kept alive writes its state again after the server was killed and started anew", async () => {
  const place = mkdtempSync(join(tmpdir(), "sdk-"));
  const socket = join(place, "s.sock");
  const first = await spawnBinary([`--unix-socket=${socket}`]);
  const followed = Promise.withResolvers<void>();
  const noticing: Interceptor = {
    async *stream(call, next) {
      for await (const message of next(call)) {
        if (call.name === "grpc.health.v1.Health/Watch") followed.resolve();
        yield message;
      }
    },
  };
  await using connection = connect({ target: socket, interceptors: [noticing] });
  const { gpus, providers } = createClientset(connection).deviceV1alpha1();
  const provider = providers("monitor");
  const report = async () => {
    await provider.register("own");
    await provider.updateStatus("own", { conditions: [{ type: "Memory", status: "False", reason: "Dbe" }] });
  };
  await report();
  await using _ = provider.keepAlive({ gpuNames: ["own"], onLost: report });
  const shown = async () => (await gpus().get("own")).status?.conditions.map(({ reason }) => reason);
  expect(await shown()).toEqual(["Dbe", "Dbe"]);
  // The stream that follows the server stands before the server goes.
  await followed.promise;
  first.process.kill("SIGKILL");
  await first.process.exited;

  await using second = await spawnBinary([`--unix-socket=${socket}`]);
  for await (const { object } of gpus().watch()) {
    if (object.metadata?.name === "own" && object.status?.conditions[1]?.reason === "Dbe") break;
  }
  expect(await shown()).toEqual(["Dbe", "Dbe"]);
  expect(second.process.exitCode).toBeNull();
  await first.stop();
  rmSync(place, { recursive: true, force: true });
});

const FULL = /EAGAIN|ECONNREFUSED/;

test("calls and watches wait out a server that takes no connection for a while", async () => {
  await using binary = await spawnBinary(["--simulate=1"]);
  binary.process.kill("SIGSTOP");
  const waiting: Socket[] = [];
  try {
    // The kernel takes them for the server until its queue is full; then it answers EAGAIN, which Bun calls refused.
    let refused = "";
    while (refused === "" && waiting.length < 10_000) {
      const socket = dialRaw(binary.socket);
      waiting.push(socket);
      refused = await new Promise<string>((resolve) => {
        socket.on("connect", () => resolve("")).on("error", ({ message }) => resolve(message));
      });
    }
    expect(refused).toMatch(FULL);
    const retry = { maxAttempts: 1_000, firstMs: 20, maxMs: 100 };
    await using connection = connect({ target: binary.unixTarget, timeoutMs: 60_000, retry });
    const gpus = createClientset(connection).deviceV1alpha1().gpus();
    const list = gpus.list();
    const event = gpus.watch()[Symbol.asyncIterator]().next();
    await using impatient = connect({ target: binary.unixTarget, retry: { maxAttempts: 2, firstMs: 1 } });
    const gaveUp = createClientset(impatient).deviceV1alpha1().gpus().list();
    expect(await gaveUp.catch((error: unknown) => error)).toMatchObject({
      code: "UNAVAILABLE",
      details: expect.stringMatching(FULL),
    });
    for (const socket of waiting) socket.destroy();
    binary.process.kill("SIGCONT");
    expect((await list).items.length).toBe(1);
    expect((await event).value).toMatchObject({ type: "ADDED" });
  } finally {
    for (const socket of waiting) socket.destroy();
    binary.process.kill("SIGCONT");
  }
});
