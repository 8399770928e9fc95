import { afterEach, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { StatusError } from "../../src/base/status-error.ts";
import { GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import type { DuplexMethod, ServerStreamMethod, UnaryMethod } from "../../src/service/call.ts";
import { OPEN_DUPLEX_PER_CALLER_MAX } from "../../src/transport/grpc-call-count.ts";
import { UNSENT_BYTES_PER_CONNECTION_MAX } from "../../src/transport/grpc-reply-budget.ts";
import { eventually, startGrpcFixture } from "../support/grpc-fixture.ts";
import { connectHttp2, frame } from "../support/http2-client.ts";
import { TestClient } from "../support/test-client.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

/** What one client can make the server hold (G9, G15). */

const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

const LONG_LIST_BYTES = 3 * 1024 * 1024;

test("a client that leaves many requests incomplete loses its connection, and its neighbour is served", async () => {
  const server = await startTestServer(["--simulate=1"]);
  servers.push(server);
  using hostile = connectHttp2(server.unixTarget.slice("unix://".length));
  using neighbour = new TestClient(server.unixTarget);
  const path = `/${ProviderService.typeName}/UpdateGpuStatus`;
  const body = [frame(Buffer.alloc(10_000), { length: 4_000_000 })];
  for (let i = 0; i < 200; i++) hostile.open({ path, body, end: false });

  await eventually(() => hostile.session.destroyed, "the connection is destroyed");

  const told = server.logLines.filter((line) => line.includes("requests incomplete"));
  expect(told).toHaveLength(1);
  expect((await neighbour.call(GpuService.method.getGpu, { name: "gpu-0" })).gpu?.metadata?.name).toBe("gpu-0");
});

test("a client that asks for long replies and reads none is refused more, and its neighbour is served", async () => {
  const long = Buffer.alloc(LONG_LIST_BYTES);
  const list: UnaryMethod = { kind: "unary", name: "t.S/List", access: "read", handle: () => long };
  await using fixture = await startGrpcFixture([list]);
  using hostile = connectHttp2(fixture.path, 0);
  using neighbour = connectHttp2(fixture.path, 8 * 1024 * 1024);
  neighbour.session.setLocalWindowSize(8 * 1024 * 1024);
  const path = "/t.S/List";
  const fitting = Math.floor(UNSENT_BYTES_PER_CONNECTION_MAX / LONG_LIST_BYTES);
  for (let i = 0; i < fitting; i++) hostile.open({ path, body: [frame(Buffer.alloc(0))] });

  const refused = await hostile.call({ path, body: [frame(Buffer.alloc(0))] });

  expect(refused.grpcStatus).toBe(8);
  const served = await neighbour.call({ path, body: [frame(Buffer.alloc(0))] });
  expect({ status: served.grpcStatus, bytes: served.body.length }).toEqual({ status: 0, bytes: LONG_LIST_BYTES + 5 });
});

test("a client that opens duplex calls and reads no reply is refused more replies, and then more calls", async () => {
  const long = Buffer.alloc(LONG_LIST_BYTES);
  const ask: DuplexMethod = {
    kind: "duplex",
    name: "t.S/Ask",
    access: "read",
    handle: (stream) => stream.onMessage(() => void stream.send(long)),
  };
  await using fixture = await startGrpcFixture([ask]);
  using hostile = connectHttp2(fixture.path, 0);
  const plan = { path: "/t.S/Ask", body: [frame(Buffer.alloc(0))], end: false };
  const fitting = Math.floor(UNSENT_BYTES_PER_CONNECTION_MAX / LONG_LIST_BYTES);
  for (let i = 0; i < fitting; i++) hostile.open(plan);

  expect((await hostile.open(plan).reply).grpcStatus).toBe(8);
  for (let i = fitting; i < OPEN_DUPLEX_PER_CALLER_MAX; i++) hostile.open({ ...plan, body: [] });
  expect((await hostile.open({ ...plan, body: [] }).reply).grpcStatus).toBe(8);
});

test("a message that many streams wait with is there once", async () => {
  const event = Buffer.alloc(2 ** 20, 1);
  const watch: ServerStreamMethod = {
    kind: "server-stream",
    name: "t.S/Watch",
    access: "read",
    handle: (_request, stream) => void stream.send(event),
  };
  await using fixture = await startGrpcFixture([watch]);
  using client = connectHttp2(fixture.path, 0);
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 300; i++) client.open({ path: "/t.S/Watch", body: [frame(Buffer.alloc(0))] });
  await eventually(() => fixture.streams.opened === 300, "all are open");

  expect((process.memoryUsage().rss - before) / event.length).toBeLessThan(100);
});

test("who may not call is told so before it has sent what it wants to", async () => {
  const write: UnaryMethod = { kind: "unary", name: "t.S/Write", access: "write", handle: (request) => request };
  const authorize = () => {
    throw new StatusError("PERMISSION_DENIED", "not you");
  };
  await using fixture = await startGrpcFixture([write], { authorize });
  using client = connectHttp2(fixture.path);

  const { reply } = client.open({
    path: "/t.S/Write",
    body: [frame(Buffer.alloc(10), { length: 4_000_000 })],
    end: false,
  });

  expect((await reply).grpcStatus).toBe(7);
});

test("a method may take less than the server, packed or not", async () => {
  const small: UnaryMethod = {
    kind: "unary",
    name: "t.S/Small",
    access: "read",
    requestBytesMax: 1_000,
    handle: (request) => request,
  };
  await using fixture = await startGrpcFixture([small]);
  using client = connectHttp2(fixture.path);
  const statusOf = async (body: Buffer, encoding?: string) => {
    const headers = encoding === undefined ? {} : { "grpc-encoding": encoding };
    return (await client.call({ path: "/t.S/Small", body: [body], headers })).grpcStatus;
  };

  expect(await statusOf(frame(Buffer.alloc(1_000)))).toBe(0);
  expect(await statusOf(frame(Buffer.alloc(1_001)))).toBe(8);
  expect(await statusOf(frame(gzipSync(Buffer.alloc(1_000)), { flag: 1 }), "gzip")).toBe(0);
  expect(await statusOf(frame(gzipSync(Buffer.alloc(1_001)), { flag: 1 }), "gzip")).toBe(8);
});

test("a heartbeat with unknown names as long as a message leaves a short line and is not kept whole", async () => {
  const server = await startTestServer();
  servers.push(server);
  using client = new TestClient(server.unixTarget);
  const heartbeat = (name: string) =>
    client.call(ProviderService.method.heartbeat, { providerId: "p", gpuNames: [name] });

  for (const end of ["a", "b"]) await heartbeat("Z".repeat(4_000_000) + end);

  // The ends are beyond what is kept of a name, so both lines are the same one.
  expect(server.logLines.filter((line) => line.includes("unknown GPUs"))).toHaveLength(1);
});
