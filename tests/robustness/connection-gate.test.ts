import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, systemScheduler } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/log.ts";
import type { Method } from "../../src/service/call.ts";
import type { Peer } from "../../src/service/peer.ts";
import { type ConnectionGate, createConnectionGate, type GateRejection } from "../../src/transport/connection-gate.ts";
import { createGrpcServer, type GrpcServer } from "../../src/transport/grpc-server.ts";
import { listenTcp } from "../../src/transport/tcp-listener.ts";
import { listenUnix } from "../../src/transport/unix-listener.ts";
import { connectBytesClient } from "../support/bytes-client.ts";
import { eventually } from "../support/grpc-fixture.ts";

/** The gate and the gRPC server together, over both kinds of listener: what is read before is not lost. */

let folder: string;
let stack: AsyncDisposableStack;
let gate: ConnectionGate;
let path: string;
let tcpAddress: string;
let peers: Peer[];
let rejected: GateRejection[];

const METHODS: readonly Method[] = [
  {
    kind: "unary",
    name: "t.S/Echo",
    access: "read",
    handle(request, call) {
      peers.push(call.peer);
      return request;
    },
  },
];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gate-"));
  path = join(folder, "device.sock");
  peers = [];
  rejected = [];
  stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true }));
  const log = silentLogger;
  const scheduler = systemScheduler;
  let grpc: GrpcServer | undefined;
  gate = createConnectionGate({
    maxConnections: 50,
    maxConnectionsPerUid: 50,
    handshakeMs: 300,
    clock: systemClock,
    scheduler,
    log,
    onConnection: (socket, peer) => grpc?.addConnection(socket, peer),
    onRejected: (reason) => rejected.push(reason),
  });
  grpc = stack.use(createGrpcServer({ methods: METHODS, authorize: () => {}, clock: systemClock, scheduler, log }));
  stack.use(gate);
  const ownUid = process.getuid?.() ?? 0;
  stack.use(await listenUnix({ path, ownUid, gate, scheduler, log }));
  tcpAddress = stack.use(await listenTcp({ host: "127.0.0.1", port: 0, loopback: true, gate, log })).address;
});

afterEach(async () => {
  await stack.disposeAsync();
});

test("calls over a unix socket are answered, large ones too, and the handler knows the process", async () => {
  using client = connectBytesClient({ path });
  const large = "x".repeat(1_000_000);
  for (const text of ["small", large, "again"]) {
    expect(await client.unary("t.S/Echo", Buffer.from(text))).toEqual({ code: 0, details: "", reply: text });
  }
  expect(peers).toHaveLength(3);
  expect(peers[0]).toMatchObject({ kind: "unix", connection: 1, pid: process.pid, uid: process.getuid?.() });
});

test("calls over TCP are answered, and the handler knows the address", async () => {
  const [host = "", port = ""] = tcpAddress.split(":");
  const relay = createServer((client) => client.pipe(connect(Number(port), host)).pipe(client));
  stack.defer(() => void relay.close());
  const front = join(folder, "relay.sock");
  await new Promise<void>((resolve) => relay.listen(front, resolve));
  using client = connectBytesClient({ path: front });
  expect((await client.unary("t.S/Echo", Buffer.from("over TCP"))).reply).toBe("over TCP");
  expect(peers).toMatchObject([{ kind: "tcp", loopback: true, address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) }]);
});

test("a client whose first bytes come one by one is served", async () => {
  const relay = createServer((client) => {
    const server = connect(path).on("error", () => {});
    server.pipe(client).on("error", () => {});
    client.on("data", async (chunk: Buffer) => {
      client.pause();
      for (const byte of chunk) {
        server.write(Uint8Array.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      client.resume();
    });
    client.on("close", () => server.destroy());
  });
  stack.defer(() => void relay.close());
  const front = join(folder, "relay.sock");
  await new Promise<void>((resolve) => relay.listen(front, resolve));
  using client = connectBytesClient({ path: front });
  expect((await client.unary("t.S/Echo", Buffer.from("slowly"))).reply).toBe("slowly");
});

test("many clients that connect at once are all served", async () => {
  const clients = Array.from({ length: 40 }, () => stack.use(connectBytesClient({ path })));
  const replies = await Promise.all(clients.map((client, i) => client.unary("t.S/Echo", Buffer.from(`${i}`))));
  expect(replies).toEqual(clients.map((_, i) => ({ code: 0, details: "", reply: `${i}` })));
  expect(new Set(peers.map(({ connection }) => connection)).size).toBe(40);
  expect(gate.open()).toEqual(
    new Map([
      [`unix:${path}`, 40],
      [`tcp:${tcpAddress}`, 0],
    ]),
  );
});

test("a connection that says nothing is closed; one that is quiet after its handshake stays", async () => {
  using client = connectBytesClient({ path });
  await client.unary("t.S/Echo", Buffer.from("hello"));
  let closed = false;
  const silent = connect(path).on("close", () => {
    closed = true;
  });
  silent.resume();
  await eventually(() => closed, "the silent one is closed");
  expect(rejected).toEqual(["handshake"]);
  expect((await client.unary("t.S/Echo", Buffer.from("still here"))).reply).toBe("still here");
  expect(peers.map(({ connection }) => connection)).toEqual([1, 1]);
});

test("destroying a connection by its number ends its calls", async () => {
  using client = connectBytesClient({ path });
  await client.unary("t.S/Echo", Buffer.from("first"));
  gate.get(1)?.destroy();
  await eventually(() => gate.get(1) === undefined, "it is forgotten");
  // Until the client knows of it, it takes the connection for alive.
  const ask = () => client.unary("t.S/Echo", Buffer.from("second")).catch(() => undefined);
  let answer = await ask();
  for (let i = 0; i < 100 && answer?.reply === undefined; i++) answer = await ask();
  expect(answer?.reply).toBe("second");
  expect(peers.map(({ connection }) => connection)).toEqual([1, 2]);
});
