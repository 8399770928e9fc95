import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type * as grpc from "@grpc/grpc-js";
import { type ScriptedServer, startScriptedServer } from "../../tests/support/scripted-server.ts";
import { CLI_CLOCK, gpuReply } from "../testing/cli-replies.ts";
import { type CliOptions, CliRun, runCli } from "../testing/cli-run.ts";

let server: ScriptedServer;
let endWith: Partial<grpc.StatusObject> | undefined;
let requested: string[] = [];
/** Watch streams that are open on the server. */
let watching = 0;

beforeAll(async () => {
  server = await startScriptedServer({
    watchGpus(send, call, request) {
      requested.push(request.opts?.resourceVersion ?? "");
      watching++;
      call.on("cancelled", () => watching--);
      send({ type: "ADDED", object: gpuReply("gpu-0") });
      send({ type: "MODIFIED", object: gpuReply("gpu-0", "False", 8) });
      if (endWith !== undefined) call.emit("error", endWith);
    },
  });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

beforeEach(() => {
  endWith = undefined;
  requested = [];
});

const watch = (args: readonly string[] = [], options: CliOptions = {}) =>
  runCli(["watch", ...args], { clock: CLI_CLOCK, env: { NVIDIA_DEVICE_API_TARGET: server.target }, ...options });

const streamsClosed = async () => {
  const deadline = performance.now() + 20_000;
  while (watching > 0 && performance.now() < deadline) await Bun.sleep(5);
  expect(watching).toBe(0);
};

describe("watch", () => {
  test("shows each event until it is interrupted, and closes its stream", async () => {
    const { status, out, err } = await watch([], { signalAfter: 2 });
    expect([status, err]).toEqual([0, ""]);
    expect(Math.max(...out.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(80);
    expect(out.split("\n").map((line) => line.split(/ +/))).toEqual([
      ["EVENT", "NAME", "READY", "REASON", "ACTION", "AGE", "VERSION"],
      ["ADDED", "gpu-0", "True", "Fine", "NONE", "90s", "7"],
      ["MODIFIED", "gpu-0", "False", "XidError", "RESTART_BM", "90s", "8"],
      [""],
    ]);
    await streamsClosed();
  });

  test("writes one JSON object a line, one YAML document each, or names", async () => {
    const events = (await watch(["-o", "json"], { signalAfter: 2 })).out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.map(({ type }) => type)).toEqual(["ADDED", "MODIFIED"]);
    const yaml = (await watch(["-o", "yaml"], { signalAfter: 2 })).out;
    expect(
      yaml
        .split("---\n")
        .slice(1)
        .map((text) => Bun.YAML.parse(text)),
    ).toEqual(events);
    expect((await watch(["-o", "name"], { signalAfter: 2 })).out).toBe("gpu-0\ngpu-0\n");
  });

  test("in wide form has the version once", async () => {
    const { out } = await watch(["-o", "wide"], { signalAfter: 1 });
    expect(out.split("\n")[0]?.split(/ +/)).toEqual([
      ...["EVENT", "NAME", "READY", "REASON", "ACTION", "AGE", "UUID", "VERSION", "MESSAGE"],
    ]);
  });

  test("passes the version on", async () => {
    await watch(["--from", "41"], { signalAfter: 1 });
    expect(requested).toEqual(["41"]);
  });

  test("ends well when its reader has gone, and closes its stream", async () => {
    expect((await watch([], { reads: 1 })).status).toBe(0);
    await streamsClosed();
  });

  test("ends well when its reader goes while nothing happens, and closes its stream", async () => {
    const run = new CliRun(["watch"], { clock: CLI_CLOCK, env: { NVIDIA_DEVICE_API_TARGET: server.target } });
    await run.until((out) => out.includes("MODIFIED"), "the events");
    run.readerGone();
    expect([await run.status, run.err]).toEqual([0, ""]);
    await streamsClosed();
  });

  test.each([
    [
      11,
      "resource version 5 has expired: the history holds what follows version 7 up to 9; list again",
      1,
      "version 5 has expired: the history holds what follows version 7 up to 9. List again, or watch without --from\n",
    ],
    [
      11,
      "resource version 10 has expired: the history holds what follows version 7 up to 9; list again",
      1,
      "the server has not come to version 10: its last one is 9. Is it another server's? List again, or watch",
    ],
    [3, "resource_version: 9x is no version", 2, "device-api-server: resource_version: 9x is no version\n"],
    [14, "Connection dropped", 3, "the connection was lost: the server has ended, or hangs. Is it running?"],
    [14, "the server is shutting down", 3, "cannot reach the server at"],
    [7, "not you", 1, "PERMISSION_DENIED: not you"],
    [12, "no such method", 1, "Is the server older than this program?"],
  ])("ends by status %i with what to do", async (code, details, status, text) => {
    endWith = { code, details };
    const result = await watch();
    expect([result.status, result.err]).toEqual([status, expect.stringContaining(text)]);
  });

  test.each([[["watch"]], [["watch", "--from=7"]], [["status", "--follow"]]])(
    "a server that takes the connection and says nothing ends %j with status 3",
    async (args) => {
      const path = join(mkdtempSync(join(tmpdir(), "silent-")), "s.sock");
      using _silent = Bun.listen({ unix: path, socket: { data: () => {} } });
      const { status, out, err } = await runCli([...args, `--target=${path}`, "--timeout=300ms"]);
      expect([status, out]).toEqual([3, ""]);
      expect(err).toBe(`device-api-server: no answer from unix://${path} in time: try a longer --timeout\n`);
      rmSync(dirname(path), { recursive: true });
    },
  );

  test("may be interrupted while it waits for the first answer", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "silent-")), "s.sock");
    using _silent = Bun.listen({ unix: path, socket: { data: () => {} } });
    const run = new CliRun(["watch", `--target=${path}`]);
    run.signal();
    expect([await run.status, run.err]).toEqual([0, ""]);
    rmSync(dirname(path), { recursive: true });
  });

  test("refuses a version that is no number, and an argument", async () => {
    expect((await watch(["--from", "x"])).status).toBe(2);
    expect((await watch(["gpu-0"])).status).toBe(2);
  });
});
