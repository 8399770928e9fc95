import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect as dialRaw, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClientset } from "../../src/client/clientset.ts";
import { connect } from "../../src/client/connection/connect.ts";
import { spawnBinary } from "../support/binary.ts";
import { eventually } from "../support/grpc-fixture.ts";

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
  expect(checks.length).toBe(9);
}

test("the SDK does on Node, as it is compiled for it, all that it promises, and leaves nothing behind", async () => {
  const compiled = join(folder, "compiled");
  await output(["node_modules/.bin/tsc", "--project", "tsconfig.sdk.json", "--outDir", compiled]);
  await runSuite("node", compiled, "js");
});

test("the SDK does the same on Bun, from its source", async () => {
  await runSuite(process.execPath, join(ROOT, "src"), "ts");
});

/** What is wrong where a provider's state is gone for good: without a limit the test would say nothing. */
const STATE_LIMIT_MS = 60_000;

test.each([
  ["that is not there yet when keep-alive starts", "late"],
  ["that is killed between a report and the start of keep-alive", "killed before"],
  ["that is killed when the state is written", "killed after"],
] as const)("a provider that is kept alive has its state at a server %s", async (_, what) => {
  const place = mkdtempSync(join(tmpdir(), "sdk-"));
  const socket = join(place, "s.sock");
  await using connection = connect({ target: socket });
  const { gpus, providers } = createClientset(connection).deviceV1alpha1();
  const provider = providers("monitor");
  const report = async () => {
    await provider.register("own");
    await provider.updateStatus("own", { conditions: [{ type: "Memory", status: "False", reason: "Dbe" }] });
  };
  const isWritten = async () => {
    const reasons = await gpus()
      .get("own")
      .then(({ status }) => status?.conditions.map(({ reason }) => reason).join(" "))
      .catch(() => undefined);
    return reasons === "Dbe Dbe";
  };
  const first = what === "late" ? undefined : await spawnBinary([`--unix-socket=${socket}`]);
  if (what === "killed before") {
    await report();
    first?.process.kill("SIGKILL");
    await first?.process.exited;
  }
  await using _lease = provider.keepAlive({ gpuNames: ["own"], onLost: report });
  if (what === "killed after") {
    await eventually(isWritten, "the first state", STATE_LIMIT_MS);
    first?.process.kill("SIGKILL");
    await first?.process.exited;
  }
  await using second = await spawnBinary([`--unix-socket=${socket}`]);
  await eventually(isWritten, "the state at the server that came", STATE_LIMIT_MS);
  expect(second.process.exitCode).toBeNull();
  await first?.stop();
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
