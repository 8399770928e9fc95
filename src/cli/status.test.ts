import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as grpc from "@grpc/grpc-js";
import { type ScriptedServer, startScriptedServer } from "../../tests/support/scripted-server.ts";
import { CLI_CLOCK, gpuReply } from "../testing/cli-replies.ts";
import { type CliOptions, CliRun } from "../testing/cli-run.ts";

const ENTER = "\u001b[?1049h";
const LEAVE = "\u001b[?7h\u001b[?25h\u001b[?1049l";
const CLEAR = "\u001b[2J";

let folder: string;
let server: ScriptedServer;
/** The state of the server's one GPU, and the streams that hear of it. */
let ready: string;
let version: number;
let streams: grpc.ServerWritableStream<Buffer, Buffer>[];
let send: ((status: string) => void)[];
let watchedFrom: string[];

async function start(): Promise<void> {
  server = await startScriptedServer(
    {
      listGpus: () => ({
        gpuList: { metadata: { resourceVersion: String(version) }, items: [gpuReply("gpu-0", ready, version)] },
      }),
      listEvents: () => ({
        events: [
          { gpu: "gpu-0", type: "MODIFIED", changes: [{ type: "Ready", status: ready, reason: `v${version}` }] },
        ],
      }),
      watchGpus(write, call, request) {
        watchedFrom.push(request.opts?.resourceVersion ?? "");
        streams.push(call);
        send.push((status) => void write({ type: "MODIFIED", object: gpuReply("gpu-0", status, version) }));
        call.sendMetadata(call.metadata);
      },
    },
    { address: `unix:${join(folder, "s.sock")}` },
  );
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "status-"));
  ready = "True";
  version = 7;
  streams = [];
  send = [];
  watchedFrom = [];
  await start();
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function become(status: string): void {
  ready = status;
  version++;
  send.at(-1)?.(status);
}

const status = (args: readonly string[], options: CliOptions = {}): CliRun =>
  new CliRun(["status", ...args], { clock: CLI_CLOCK, env: { NVIDIA_DEVICE_API_TARGET: server.target }, ...options });

const TERMINAL = { columns: 80, rows: 24 };
/** What the screen shows since it was last drawn from its top. */
const lastDrawn = (out: string): string => Bun.stripANSI(out.slice(out.lastIndexOf("\u001b[H")));

describe("status", () => {
  test("without --follow is shown once, also on a terminal", async () => {
    for (const options of [{}, { terminal: TERMINAL }]) {
      const run = status([], options);
      expect([await run.status, run.err]).toEqual([0, ""]);
      expect(run.out).not.toContain(ENTER);
      expect(Bun.stripANSI(run.out)).toContain("1 GPU: 1 ready, 0 not ready, 0 unknown\n");
      expect(watchedFrom).toEqual([]);
    }
  });

  test("of a server that is not there ends with status 3, and touches no terminal", async () => {
    for (const args of [[], ["--follow"]]) {
      const run = status([...args, `--target=${folder}/none.sock`], { terminal: TERMINAL });
      expect([await run.status, run.out]).toEqual([3, ""]);
      expect(run.err).toContain("there is no such socket");
    }
  });

  test("takes no arguments", async () => {
    expect(await status(["gpu-0"]).status).toBe(2);
  });
});

describe("status --follow on a terminal", () => {
  const follow = async (options: CliOptions = {}) => {
    const run = status(["--follow"], { terminal: TERMINAL, ...options });
    await run.until((out) => out.includes("gpu-0"), "the first drawing");
    return run;
  };

  test("draws in place, again with every change, and gives the terminal back when it is interrupted", async () => {
    const run = await follow();
    expect(run.out).toStartWith(ENTER);
    await run.until(() => streams.length === 1, "the watch");
    expect(watchedFrom).toEqual(["7"]);
    become("False");
    await run.until((out) => lastDrawn(out).includes("gpu-0  False  XidError"), "the change");
    expect(lastDrawn(run.out)).toContain("Ready is False (v8)");
    run.signal();
    // At once: a second signal would end the process.
    expect(run.out).toEndWith(LEAVE);
    expect(await run.status).toBe(0);
    expect([run.out.split(ENTER).length, run.out.split(LEAVE).length, run.err]).toEqual([2, 2, ""]);
    // Nothing is drawn once it is left.
    expect(run.out.slice(run.out.indexOf(LEAVE))).toBe(LEAVE);
  });

  test("is drawn anew in another size, from an empty screen", async () => {
    const run = await follow();
    run.resize(30, 6);
    await run.until((out) => out.includes(CLEAR), "the clearing");
    await run.until((out) => out.lastIndexOf("\u001b[J") > out.indexOf(CLEAR), "the drawing");
    const lines = lastDrawn(run.out).split("\r\n");
    expect(lines.length).toBeLessThanOrEqual(6);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(30);
    run.signal();
    expect(await run.status).toBe(0);
  });

  test("gives the terminal back while it is stopped, and takes it again", async () => {
    const run = await follow();
    await run.suspend();
    await run.until(
      (out) => out.includes("[stopped]") && out.lastIndexOf(ENTER) > out.indexOf("[stopped]"),
      "the return",
    );
    const before = run.out.slice(0, run.out.indexOf("[stopped]"));
    expect(before).toEndWith(LEAVE);
    run.signal();
    expect(await run.status).toBe(0);
    expect(run.out).toEndWith(LEAVE);
  });

  test("says that the server is gone, keeps what it knew, and goes on from a new list when it is back", async () => {
    const run = await follow();
    await run.until(() => streams.length === 1, "the watch");
    await server[Symbol.asyncDispose]();
    await run.until((out) => lastDrawn(out).includes("OLD, trying again: cannot reach the server"), "the word");
    expect(lastDrawn(run.out)).toContain("gpu-0  True");
    ready = "False";
    version = 100;
    await start();
    await run.until((out) => lastDrawn(out).includes("gpu-0  False"), "the new state");
    expect(lastDrawn(run.out)).not.toContain("trying again");
    expect(watchedFrom).toEqual(["7", "100"]);
    run.signal();
    expect(await run.status).toBe(0);
  });

  test("lists again where the history has moved on", async () => {
    const run = await follow();
    await run.until(() => streams.length === 1, "the watch");
    ready = "Unknown";
    version = 50;
    streams[0]?.emit("error", { code: 11, details: "expired" });
    await run.until((out) => lastDrawn(out).includes("gpu-0  Unknown"), "the new list");
    await run.until(() => watchedFrom.length === 2, "the new watch");
    expect(watchedFrom).toEqual(["7", "50"]);
    run.signal();
    expect([await run.status, run.err]).toEqual([0, ""]);
  });

  test("ends where nobody sees it any more", async () => {
    const run = status(["--follow"], { terminal: TERMINAL, reads: 1 });
    await run.until(() => streams.length === 1, "the watch");
    become("False");
    expect(await run.status).toBe(0);
  });

  test("is lines on a terminal without cursor control", async () => {
    const run = await follow({ env: { NVIDIA_DEVICE_API_TARGET: server.target, TERM: "dumb" } });
    expect(run.out).not.toContain("\u001b");
    await run.until(() => streams.length === 1, "the watch");
    run.signal();
    expect(await run.status).toBe(0);
  });
});

describe("status --follow in a pipe", () => {
  test("is the state, and then a line with its time for each change", async () => {
    const run = status(["--follow"]);
    await run.until(() => streams.length === 1, "the watch");
    become("False");
    await run.until((out) => out.includes("MODIFIED"), "the change");
    expect(run.out.split("\n").at(-2)).toBe(
      "2026-09-21T14:13:20Z  MODIFIED  gpu-0   False    XidError      RESTART_BM",
    );
    run.signal();
    expect([await run.status, run.err]).toEqual([0, ""]);
    expect(run.out).not.toContain("\u001b");
  });

  test("says once that the server is gone, and shows the state when it is back", async () => {
    const run = status(["--follow"]);
    await run.until(() => streams.length === 1, "the watch");
    await server[Symbol.asyncDispose]();
    await run.until(() => run.err.includes("there is no such socket"), "the word");
    // It is tried every second: a second try says nothing new.
    await Bun.sleep(2_500);
    version = 100;
    await start();
    await run.until(() => streams.length === 2, "the new watch");
    expect(watchedFrom).toEqual(["7", "100"]);
    expect(run.out.split("1 GPU: ").length).toBe(3);
    expect(run.err.match(/there is no such socket/g)?.length).toBe(1);
    expect(run.err).toMatch(/^device-api-server: trying again: cannot reach the server at /);
    expect(run.err).toEndWith("\ndevice-api-server: changes may have been missed; this is the state now\n");
    run.signal();
    expect(await run.status).toBe(0);
  });

  test("ends with status 1 where it cannot write any more", async () => {
    const run = status(["--follow"], { breaksAt: 2 });
    await run.until(() => streams.length === 1, "the watch");
    become("False");
    expect([await run.status, run.err]).toEqual([1, "device-api-server: no space left\n"]);
  });

  test("ends well where its reader goes", async () => {
    const run = status(["--follow"], { reads: 1 });
    await run.until(() => streams.length === 1, "the watch");
    become("False");
    expect(await run.status).toBe(0);
  });

  test("ends well where its reader goes while nothing happens", async () => {
    const run = status(["--follow"]);
    await run.until(() => streams.length === 1, "the watch");
    run.readerGone();
    expect([await run.status, run.err]).toEqual([0, ""]);
  });

  test("says that it missed changes, and shows the state again", async () => {
    const run = status(["--follow"]);
    await run.until(() => streams.length === 1, "the watch");
    streams[0]?.emit("error", { code: 11, details: "expired" });
    await run.until(() => streams.length === 2, "the new watch");
    expect(run.err).toBe("device-api-server: changes may have been missed; this is the state now\n");
    expect(run.out.split("1 GPU: ").length).toBe(3);
    run.signal();
    expect(await run.status).toBe(0);
  });
});
