import { afterEach, expect, test } from "bun:test";
import { connectBytesClient } from "../../tests/support/bytes-client.ts";
import { eventually, type GrpcFixture, startGrpcFixture } from "../../tests/support/grpc-fixture.ts";
import { connectHttp2, frame } from "../../tests/support/http2-client.ts";
import { connectRaw } from "../../tests/support/http2-frames.ts";
import { Code, StatusError } from "../base/status-error.ts";
import type { Method } from "../service/call.ts";

const UNAVAILABLE = new StatusError("UNAVAILABLE", "the server is shutting down");
const NEVER_REACHED_MS = 20_000;

/** A stream that stays open, a unary call that answers when told to, and one that answers at once. */
function methods() {
  const state = { cancelled: 0, release: () => {} };
  const watch: Method = {
    kind: "server-stream",
    name: "test.D/Watch",
    access: "read",
    handle(_request, stream) {
      stream.onCancel(() => state.cancelled++);
      stream.send(Buffer.from("open"));
    },
  };
  const slow: Method = {
    kind: "unary",
    name: "test.D/Slow",
    access: "read",
    handle: () =>
      new Promise((resolve) => {
        state.release = () => resolve(Buffer.from("done"));
      }),
  };
  const quick: Method = { kind: "unary", name: "test.D/Quick", access: "read", handle: (request) => request };
  return { state, methods: [watch, slow, quick] };
}

const fixtures: GrpcFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture[Symbol.asyncDispose]();
});

async function start() {
  const { state, methods: all } = methods();
  const fixture = await startGrpcFixture(all, { streamGraceMs: 200 });
  fixtures.push(fixture);
  return { state, fixture };
}

test("a drain ends open streams with its status, not CANCELLED, and their services hear of it", async () => {
  const { state, fixture } = await start();
  using client = connectBytesClient(fixture);
  const watching = Array.from({ length: 20 }, () => client.stream("test.D/Watch"));
  await eventually(() => watching.every((one) => one.messages.length === 1), "every stream is open");

  await fixture.server.drain(UNAVAILABLE, NEVER_REACHED_MS);

  for (const one of watching) {
    expect(await one.status).toMatchObject({ code: Code.UNAVAILABLE, details: UNAVAILABLE.message });
  }
  expect(state.cancelled).toBe(20);
  expect(fixture.server.openCalls).toBe(0);
  await eventually(() => fixture.connections.size === 0, "every connection is closed");
});

test("a call in flight finishes, and new calls are answered with the status meanwhile", async () => {
  const { state, fixture } = await start();
  using client = connectBytesClient(fixture);
  const slow = client.unary("test.D/Slow");
  await eventually(() => fixture.server.openCalls === 1, "the call is in flight");

  const drained = fixture.server.drain(UNAVAILABLE, NEVER_REACHED_MS);
  const refused = await client.unary("test.D/Quick");
  const refusedStream = await client.stream("test.D/Watch").status;
  state.release();

  expect(refused).toMatchObject({ code: Code.UNAVAILABLE, details: UNAVAILABLE.message });
  expect(refusedStream.code).toBe(Code.UNAVAILABLE);
  expect(await slow).toMatchObject({ code: Code.OK, reply: "done" });
  await drained;
});

test("a call that begins during a drain is refused at once, whether or not its request ever comes", async () => {
  const { state, fixture } = await start();
  using client = connectBytesClient(fixture);
  using raw = connectHttp2(fixture.path);
  const slow = client.unary("test.D/Slow");
  await eventually(() => fixture.server.openCalls === 1, "the call is in flight");

  const drained = fixture.server.drain(UNAVAILABLE, NEVER_REACHED_MS);
  const { reply } = raw.open({ path: "/test.D/Quick", body: [], end: false });

  expect((await reply).grpcStatus).toBe(Code.UNAVAILABLE);
  state.release();
  expect((await slow).code).toBe(Code.OK);
  await drained;
});

test("a connection that never said anything is closed too", async () => {
  const { fixture } = await start();
  using silent = await connectRaw(fixture.path);
  await eventually(() => fixture.connections.size === 1, "the connection is there");

  await fixture.server.drain(UNAVAILABLE, NEVER_REACHED_MS);

  await eventually(() => silent.isClosed, "the connection is closed");
});

test("a call in flight at the timeout ends with the status", async () => {
  const { fixture } = await start();
  using client = connectBytesClient(fixture);
  const slow = client.unary("test.D/Slow");
  await eventually(() => fixture.server.openCalls === 1, "the call is in flight");

  await fixture.server.drain(UNAVAILABLE, 50);

  expect(await slow).toMatchObject({ code: Code.UNAVAILABLE, details: UNAVAILABLE.message });
});

test("a call whose request is not complete does not hold the drain up", async () => {
  const { fixture } = await start();
  using client = connectHttp2(fixture.path);
  const { reply } = client.open({ path: "/test.D/Quick", body: [Buffer.alloc(2)], end: false });
  await eventually(() => fixture.server.openCalls === 1, "the call is open");

  await fixture.server.drain(UNAVAILABLE, NEVER_REACHED_MS);

  expect((await reply).grpcStatus).toBe(Code.UNAVAILABLE);
});

test("a stalled stream holds the drain up for its grace and no longer", async () => {
  const flood: Method = {
    kind: "server-stream",
    name: "test.D/Flood",
    access: "read",
    handle(_request, stream) {
      while (stream.send(Buffer.alloc(10_000)));
    },
  };
  const fixture = await startGrpcFixture([flood], { streamGraceMs: 100 });
  fixtures.push(fixture);
  using client = connectHttp2(fixture.path, 0);
  void client.call({ path: "/test.D/Flood", body: [frame(Buffer.alloc(0))] });
  await eventually(() => fixture.streams.opened === 1, "the stream is open");

  await fixture.server.drain(UNAVAILABLE, NEVER_REACHED_MS);

  expect(fixture.ends.map((end) => end.code)).toEqual(["UNAVAILABLE"]);
});

test("an idle connection is closed, and a second drain is the same drain", async () => {
  const { fixture } = await start();
  using client = connectBytesClient(fixture);
  await client.unary("test.D/Quick");

  const first = fixture.server.drain(UNAVAILABLE, NEVER_REACHED_MS);
  expect(fixture.server.drain(UNAVAILABLE, 0)).toBe(first);
  await first;

  await eventually(() => fixture.connections.size === 0, "the connection is closed");
});
