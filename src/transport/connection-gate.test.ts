import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogFields } from "../base/log.ts";
import { silentLogger } from "../base/log.ts";
import type { PeerCredentials } from "../native/shim.ts";
import type { Peer } from "../service/peer.ts";
import { SimulatedTime } from "../testing/simulated-time.ts";
import {
  type ConnectionGate,
  type ConnectionGateOptions,
  createConnectionGate,
  type GateRejection,
  HANDSHAKE_MS,
  type Origin,
} from "./connection-gate.ts";

const HELLO = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
  Buffer.from("and the first request"),
]);
const NOBODY: PeerCredentials = { pid: 1, uid: 7, gid: 7, groups: [] };
const UNIX: Origin = { kind: "unix" };

let folder: string;
const servers: Server[] = [];
const clients: Socket[] = [];
let gates: ConnectionGate[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gate-"));
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  for (const gate of gates.splice(0)) gate[Symbol.dispose]();
  for (const server of servers.splice(0)) server.close();
  rmSync(folder, { recursive: true });
});

function gateWith(overrides: Partial<ConnectionGateOptions> = {}) {
  const time = new SimulatedTime();
  const rejected: GateRejection[] = [];
  const taken: { socket: Socket; peer: Peer }[] = [];
  const lines: LogFields[] = [];
  const gate = createConnectionGate({
    maxConnections: 100,
    maxConnectionsPerUid: 100,
    clock: time,
    scheduler: time,
    log: { ...silentLogger, warn: (_message, fields = {}) => lines.push(fields) },
    onConnection: (socket, peer) => taken.push({ socket, peer }),
    onRejected: (reason) => rejected.push(reason),
    ...overrides,
  });
  gates = [...gates, gate];
  return { gate, time, rejected, taken, lines };
}

async function listen(gate: ConnectionGate, name: string, origin = UNIX): Promise<string> {
  const server = createServer();
  servers.push(server);
  gate.attach(server, name, origin);
  const path = join(folder, name);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}

interface Client {
  readonly socket: Socket;
  closed: boolean;
}

async function dial(path: string, greeting?: Buffer): Promise<Client> {
  const socket = connect(path);
  const client: Client = { socket, closed: false };
  clients.push(socket);
  socket.on("error", () => {});
  socket.on("close", () => {
    client.closed = true;
  });
  socket.resume();
  await new Promise<void>((resolve) => socket.once("connect", resolve).once("close", () => resolve()));
  if (greeting !== undefined) socket.write(greeting);
  return client;
}

async function eventually(isSo: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!isSo()) {
    if (performance.now() > endMs) throw new Error(`did not happen: ${what}`);
    await Bun.sleep(2);
  }
}

test("a connection is handed over after its handshake, with its first bytes and its peer", async () => {
  let data = "";
  const listenForData = (socket: Socket) => socket.on("data", (chunk) => (data += chunk.toString("latin1")));
  const taken: Peer[] = [];
  const { gate, time } = gateWith({
    onConnection(socket, peer) {
      taken.push(peer);
      listenForData(socket);
    },
  });
  const path = await listen(gate, "a");
  await dial(path, HELLO);
  await eventually(() => data.length >= HELLO.length, "the data arrives");
  expect(data).toBe(HELLO.toString("latin1"));
  const [peer] = taken;
  if (peer?.kind !== "unix") throw new Error("no unix peer");
  expect([peer.connection, peer.pid, peer.uid, peer.gid]).toEqual([
    1,
    process.pid,
    process.getuid?.() ?? -1,
    process.getgid?.() ?? -1,
  ]);
  const groups = /^Groups:\t(.*)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]?.trim() ?? "";
  expect(peer.groups.join(" ")).toBe(groups);
  expect(gate.get(1)?.peer).toEqual(peer);
  expect(time.pending).toBe(0);
});

test("a connection that sends nothing, or half of what it should, is closed when its time is up", async () => {
  const { gate, time, rejected, taken, lines } = gateWith();
  const path = await listen(gate, "a");
  const silent = await dial(path);
  const half = await dial(path, HELLO.subarray(0, 12));
  const preface = await dial(path, HELLO.subarray(0, 24));
  const good = await dial(path, HELLO);
  await eventually(() => taken.length === 1 && gate.open().get("a") === 4, "all are accepted");
  time.advance(HANDSHAKE_MS - 1);
  await Bun.sleep(20);
  expect([silent.closed, half.closed, preface.closed]).toEqual([false, false, false]);
  time.advance(1);
  await eventually(() => silent.closed && half.closed && preface.closed, "the three are closed");
  expect(good.closed).toBe(false);
  expect(rejected).toEqual(["handshake", "handshake", "handshake"]);
  expect(gate.open().get("a")).toBe(1);
  expect(lines).toHaveLength(1);
});

test("what is not HTTP/2 is closed at once", async () => {
  const { gate, time, rejected } = gateWith();
  const client = await dial(await listen(gate, "a"), Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  await eventually(() => client.closed, "it is closed");
  expect(rejected).toEqual(["handshake"]);
  expect(time.pending).toBe(0);
});

test("the total cap holds over two listeners, and whoever leaves makes room", async () => {
  const { gate, rejected, taken } = gateWith({ maxConnections: 3 });
  const a = await listen(gate, "a");
  const b = await listen(gate, "b");
  const first = await dial(a, HELLO);
  await dial(a, HELLO);
  await dial(b, HELLO);
  await eventually(() => taken.length === 3, "three are served");
  const fourth = await dial(b, HELLO);
  await eventually(() => fourth.closed, "the fourth is turned away");
  expect(rejected).toEqual(["total"]);
  expect(gate.open()).toEqual(
    new Map([
      ["a", 2],
      ["b", 1],
    ]),
  );
  first.socket.destroy();
  await eventually(() => gate.open().get("a") === 1, "the first has gone");
  await dial(b, HELLO);
  await eventually(() => taken.length === 4, "there is room again");
  expect(taken.map(({ peer }) => peer.connection)).toEqual([1, 2, 3, 5]);
});

test("a listener that is full by itself refuses too, and it is counted", async () => {
  const { gate, rejected, taken } = gateWith({ maxConnections: 2 });
  const path = await listen(gate, "a");
  for (let i = 0; i < 2; i++) await dial(path, HELLO);
  await eventually(() => taken.length === 2, "two are served");
  const late = await Promise.all(Array.from({ length: 20 }, () => dial(path, HELLO)));
  await eventually(() => late.every(({ closed }) => closed), "the others are turned away");
  expect(rejected).toEqual(Array.from({ length: 20 }, () => "total"));
});

test("the cap of one uid does not keep another out", async () => {
  let uid = 7;
  const { gate, rejected, taken } = gateWith({ maxConnectionsPerUid: 2, readPeer: () => ({ ...NOBODY, uid }) });
  const path = await listen(gate, "a");
  const first = await dial(path, HELLO);
  await dial(path, HELLO);
  await eventually(() => taken.length === 2, "two are served");
  const third = await dial(path, HELLO);
  await eventually(() => third.closed, "the third is turned away");
  expect(rejected).toEqual(["uid"]);
  uid = 8;
  await dial(path, HELLO);
  await eventually(() => taken.length === 3, "another uid is served");
  uid = 7;
  first.socket.destroy();
  await eventually(() => gate.open().get("a") === 2, "one has gone");
  await dial(path, HELLO);
  await eventually(() => taken.length === 4, "there is room again");
});

test("all of TCP counts as one caller, and has the listener's word on loopback", async () => {
  const { gate, rejected, taken } = gateWith({ maxConnectionsPerUid: 1 });
  const server = createServer();
  servers.push(server);
  gate.attach(server, "tcp", { kind: "tcp", loopback: true });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const dialTcp = () => connect({ host: "127.0.0.1", port }).on("error", () => {});
  const first = dialTcp();
  clients.push(first);
  first.write(HELLO);
  await eventually(() => taken.length === 1, "the first is served");
  const remote = `127.0.0.1:${first.localPort}`;
  expect(taken[0]?.peer).toEqual({ kind: "tcp", connection: 1, address: remote, loopback: true });
  clients.push(dialTcp());
  await eventually(() => rejected.length === 1, "the second is turned away");
  expect(rejected).toEqual(["uid"]);
});

test("a peer that cannot be read is turned away, counted and logged", async () => {
  const { gate, rejected, taken, lines } = gateWith({
    readPeer() {
      throw new Error("no such thing");
    },
  });
  const client = await dial(await listen(gate, "a"), HELLO);
  await eventually(() => client.closed, "it is closed");
  expect([rejected, taken, gate.open().get("a")]).toEqual([["peer"], [], 0]);
  expect(lines).toMatchObject([{ reason: "peer", listener: "a" }]);
});

test("rejections are counted each, and logged once a minute for each reason", async () => {
  const { gate, time, rejected, lines } = gateWith({ readPeer: () => NOBODY, maxConnectionsPerUid: 1 });
  const path = await listen(gate, "a");
  await dial(path, HELLO);
  const refuse = async () => {
    const client = await dial(path);
    await eventually(() => client.closed, "it is turned away");
  };
  await refuse();
  await refuse();
  await refuse();
  expect([rejected.length, lines.length]).toEqual([3, 1]);
  time.advance(60_000);
  await refuse();
  expect(lines).toMatchObject([{ unloggedBefore: 0 }, { unloggedBefore: 2 }]);
});

test("the registry destroys a connection by its number, and forgets those that are closed", async () => {
  const { gate, taken } = gateWith();
  const client = await dial(await listen(gate, "a"), HELLO);
  await eventually(() => taken.length === 1, "it is served");
  gate.get(1)?.destroy();
  await eventually(() => client.closed && gate.get(1) === undefined, "it is closed and forgotten");
  expect(gate.open().get("a")).toBe(0);
  expect(gate.get(2)).toBeUndefined();
});

test("once it refuses new ones, those in their handshake go and those that are served stay", async () => {
  const { gate, time, rejected, taken } = gateWith();
  const path = await listen(gate, "a");
  const served = await dial(path, HELLO);
  const shaking = await dial(path);
  await eventually(() => taken.length === 1 && gate.open().get("a") === 2, "both are accepted");
  gate.refuseNew();
  const late = await dial(path, HELLO);
  await eventually(() => shaking.closed && late.closed, "both are turned away");
  expect([served.closed, rejected, time.pending]).toEqual([false, ["draining", "draining"], 0]);
  gate.destroyAll();
  await eventually(() => served.closed, "it is closed by force");
});

test("a low limit of descriptors lowers the cap, and says so", () => {
  const { gate, lines } = gateWith({ maxConnections: 4_096, descriptorLimit: 256 });
  expect(gate.maxConnections).toBe(32);
  expect(lines).toEqual([{ lowered: 32, descriptors: 256 }]);
});
