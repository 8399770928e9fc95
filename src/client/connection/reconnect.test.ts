import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, connect as dialRaw, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { eventually } from "../../../tests/support/grpc-fixture.ts";
import { type Scripts, startScriptedServer } from "../../../tests/support/scripted-server.ts";
import { GpuService } from "../../gen/device/v1alpha1/gpu_pb.ts";
import type { ApiError } from "../errors.ts";
import { connect } from "./connect.ts";
import type { Connection } from "./connection.ts";
import type { Interceptor, UnaryCall } from "./interceptor.ts";

/** One attempt for each call: what succeeds here succeeded at its first dial. */

const { getGpu, watchGpus } = GpuService.method;
const ONCE = { retry: { maxAttempts: 1 } } as const;

function temporarySocket() {
  const folder = mkdtempSync(join(tmpdir(), "reconnect-"));
  const path = join(folder, "s.sock");
  return { path, address: `unix:${path}`, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

const named = (name: string): Scripts => ({ getGpu: () => ({ gpu: { metadata: { name } } }) });

/** Who answered, or the code of the failure. */
async function ask(connection: Connection, timeoutMs = 10_000): Promise<string> {
  try {
    return (await connection.unary(getGpu, {}, { timeoutMs })).gpu?.metadata?.name ?? "";
  } catch (error) {
    return (error as ApiError).code;
  }
}

/** Asks until the answer is another one; the limit is against hangs. */
async function askUntil(connection: Connection, wanted: string): Promise<void> {
  const limitMs = performance.now() + 20_000;
  for (let answer = await ask(connection); answer !== wanted; answer = await ask(connection)) {
    if (performance.now() > limitMs) throw new Error(`still ${answer}, not ${wanted}`);
  }
}

test("a server that comes late is reached by the first call after that, however many failed before", async () => {
  using socket = temporarySocket();
  await using connection = connect({ target: socket.address, ...ONCE });
  for (let i = 0; i < 30; i++) expect(await ask(connection)).toBe("UNAVAILABLE");
  await using _ = await startScriptedServer(named("late"), { address: socket.address });
  expect(await ask(connection)).toBe("late");
});

test("a socket whose file was replaced is dialled anew, after any number of failures in between", async () => {
  using socket = temporarySocket();
  await using connection = connect({ target: socket.address, ...ONCE });
  for (const name of ["first", "second", "third"]) {
    await using server = await startScriptedServer(named(name), { address: socket.address });
    expect(await ask(connection)).toBe(name);
    server.stop();
    await askUntil(connection, "UNAVAILABLE");
    for (let i = 0; i < 10; i++) expect(await ask(connection)).toBe("UNAVAILABLE");
  }
});

test("a port that nobody listened on is dialled anew as well", async () => {
  const probe = await startScriptedServer({}, { address: "127.0.0.1:0" });
  const { target } = probe;
  await probe[Symbol.asyncDispose]();
  await using connection = connect({ target, ...ONCE });
  for (let i = 0; i < 10; i++) expect(await ask(connection)).toBe("UNAVAILABLE");
  await using _ = await startScriptedServer(named("late"), { address: target });
  expect(await ask(connection)).toBe("late");
});

test("calls that are begun while the server is away are answered when it is back", async () => {
  using socket = temporarySocket();
  const calls: UnaryCall[] = [];
  const noting: Interceptor = {
    unary(call, next) {
      calls.push(call);
      return next(call);
    },
  };
  await using connection = connect({
    target: socket.address,
    timeoutMs: 60_000,
    retry: { maxAttempts: Number.POSITIVE_INFINITY, firstMs: 10, maxMs: 50 },
    interceptors: [noting],
  });
  const answers = Promise.all(Array.from({ length: 50 }, () => ask(connection, 60_000)));
  const hasFailed = ({ progress }: UnaryCall) => progress.attempts > 1;
  await eventually(() => calls.length === 50 && calls.every(hasFailed), "every call to fail at least once", 60_000);
  await using _ = await startScriptedServer(named("back"), { address: socket.address });
  expect(new Set(await answers)).toEqual(new Set(["back"]));
});

test("a stream that stands goes on while other calls fail", async () => {
  using socket = temporarySocket();
  let send: (message: { type: string }) => boolean = () => false;
  await using _ = await startScriptedServer(
    {
      getGpu: () => Promise.reject({ code: grpc.status.UNAVAILABLE, details: "not now" }),
      watchGpus: (write) => {
        send = write;
        write({ type: "first" });
      },
    },
    { address: socket.address },
  );
  await using connection = connect({ target: socket.address, ...ONCE });
  const types: string[] = [];
  for await (const { type } of connection.serverStream(watchGpus, {})) {
    types.push(type);
    if (type === "last") break;
    for (let i = 0; i < 3; i++) expect(await ask(connection)).toBe("UNAVAILABLE");
    send({ type: "last" });
  }
  expect(types).toEqual(["first", "last"]);
});

/** Between client and server: passes bytes on until it is frozen, and then takes them and says nothing. */
function startRelay(path: string, serverPath: string) {
  let frozen = false;
  const sockets: Socket[] = [];
  const relay = createServer((near) => {
    const far = dialRaw(serverPath);
    sockets.push(near, far);
    near.on("data", (bytes) => frozen || far.write(bytes)).on("error", () => {});
    far.on("data", (bytes) => frozen || near.write(bytes)).on("error", () => {});
    near.on("close", () => far.destroy());
  }).listen(path);
  return {
    freeze: () => {
      frozen = true;
    },
    thaw: () => {
      frozen = false;
    },
    [Symbol.dispose]: () => {
      relay.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

test("a peer that falls silent is noticed: its stream ends with UNAVAILABLE, and it is dialled anew", async () => {
  using socket = temporarySocket();
  await using server = await startScriptedServer({
    ...named("server"),
    watchGpus: (send) => {
      send({ type: "first" });
    },
  });
  using relay = startRelay(socket.path, server.target.slice("unix:".length));
  // So long a machine may stall, and the peer is not taken for a silent one before it is.
  const keepalive = { timeMs: 100, timeoutMs: 1_500 };
  await using connection = connect({ target: socket.address, ...ONCE, keepalive });
  const types: string[] = [];
  const read = async () => {
    for await (const { type } of connection.serverStream(watchGpus, {})) {
      types.push(type);
      relay.freeze();
    }
  };
  const end = await read().catch((error: ApiError) => error);
  expect([types, (end as ApiError).code]).toEqual([["first"], "UNAVAILABLE"]);
  relay.thaw();
  await askUntil(connection, "server");
});

test("a peer that never answers costs the calls their time, and the next one dials again", async () => {
  using socket = temporarySocket();
  await using server = await startScriptedServer(named("server"));
  using relay = startRelay(socket.path, server.target.slice("unix:".length));
  relay.freeze();
  await using connection = connect({ target: socket.address, ...ONCE });
  const both = await Promise.all([ask(connection, 50), ask(connection, 50)]);
  expect(both).toEqual(["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"]);
  relay.thaw();
  expect(await ask(connection)).toBe("server");
});
