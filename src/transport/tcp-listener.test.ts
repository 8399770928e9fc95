import { afterEach, expect, test } from "bun:test";
import { connect } from "node:net";
import { silentLogger } from "../base/log.ts";
import { SimulatedTime } from "../testing/simulated-time.ts";
import { isLoopback } from "./address.ts";
import { type ConnectionGate, createConnectionGate } from "./connection-gate.ts";
import { ListenError } from "./listen-error.ts";
import { listenTcp, type TcpListener } from "./tcp-listener.ts";

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const listener of open.splice(0)) await listener[Symbol.asyncDispose]();
});

function newGate(): ConnectionGate {
  const time = new SimulatedTime();
  const limits = { maxConnections: 10, maxConnectionsPerUid: 10 };
  return createConnectionGate({ ...limits, clock: time, scheduler: time, log: silentLogger, onConnection: () => {} });
}

async function listen(host: string, port: number, loopback = true, gate = newGate()): Promise<TcpListener> {
  const listener = await listenTcp({ host, port, loopback, gate, log: silentLogger });
  open.push(listener);
  return listener;
}

test.each([
  ["127.0.0.1", true],
  ["127.255.0.9", true],
  ["::1", true],
  ["0:0:0:0:0:0:0:1", true],
  ["::ffff:127.0.0.1", true],
  ["localhost", true],
  ["LocalHost", true],
  ["", false],
  ["0.0.0.0", false],
  ["::", false],
  ["128.0.0.1", false],
  ["::ffff:10.0.0.1", false],
  ["127.0.0.1.example.com", false],
  ["127.example.com", false],
  ["localhost.example.com", false],
])("whether %p is loopback: %p", (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});

test("port 0 picks a free one, and the address says which", async () => {
  const { address, label } = await listen("127.0.0.1", 0);
  expect(address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
  expect(label).toBe(`tcp:${address}`);
});

test("an IPv6 address stands in brackets", async () => {
  expect((await listen("::1", 0)).address).toMatch(/^\[::1\]:[1-9]\d*$/);
});

test("no host means all addresses", async () => {
  const { address } = await listen("", 0, false);
  expect(address).toMatch(/^(\[::\]|0\.0\.0\.0):[1-9]\d*$/);
  const port = Number(address.split(":").at(-1));
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port }, () => resolve(void socket.destroy())).on("error", reject);
  });
});

test("a port that is taken is named, with the flag to change", async () => {
  const { address } = await listen("127.0.0.1", 0);
  const attempt = listen("127.0.0.1", Number(address.split(":")[1]));
  await expect(attempt).rejects.toThrow(ListenError);
  await expect(attempt).rejects.toThrow(`cannot listen on ${address}: another process uses it; stop that one, or`);
  await expect(attempt).rejects.toThrow("--grpc-address");
});

test("an address of another machine is refused in one line", async () => {
  const attempt = listen("192.0.2.1", 0, false);
  await expect(attempt).rejects.toThrow(ListenError);
  await expect(attempt).rejects.toThrow(
    "--grpc-address: cannot listen on 192.0.2.1:0: it is no address of this machine",
  );
});

test("an address that is said to be loopback and is not stops the start", async () => {
  const attempt = listen("0.0.0.0", 0, true);
  await expect(attempt).rejects.toThrow("--grpc-address: 0.0.0.0 stands for 0.0.0.0 here, which others reach too");
});

test("once closed nobody can connect, and the port is free again", async () => {
  const listener = await listen("127.0.0.1", 0);
  await listener[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
  const port = Number(listener.address.split(":")[1]);
  const code = await new Promise((resolve) => {
    connect({ host: "127.0.0.1", port }, () => resolve("connected")).on("error", (error) =>
      resolve("code" in error && error.code),
    );
  });
  expect(code).toBe("ECONNREFUSED");
  expect((await listen("127.0.0.1", port)).address).toBe(listener.address);
});
