import { afterEach, describe, expect, test } from "bun:test";
import { eventually, type GrpcFixture, startGrpcFixture } from "../../tests/support/grpc-fixture.ts";
import { connectHttp2, frame } from "../../tests/support/http2-client.ts";
import { StatusError } from "../base/status-error.ts";
import type { Method, ReplyStream } from "../service/call.ts";

/** Back-pressure, and clients that do not take what they asked for. */

const MESSAGE = Buffer.alloc(10_000, 7);
const REQUEST = { body: [frame(Buffer.alloc(0))] };

const fixtures: GrpcFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture[Symbol.asyncDispose]();
});

async function start(methods: readonly Method[], graces: { streamGraceMs?: number; replyGraceMs?: number } = {}) {
  const fixture = await startGrpcFixture(methods, graces);
  fixtures.push(fixture);
  return fixture;
}

/** Sends until told to stop, `total` messages in all. */
function sender(total: number) {
  const state = { sent: 0, stops: 0, stream: undefined as ReplyStream | undefined };
  const method: Method = {
    kind: "server-stream",
    name: "test.S/Send",
    access: "read",
    handle(_request, stream) {
      state.stream = stream;
      const pump = () => {
        while (state.sent < total) {
          state.sent++;
          if (stream.send(MESSAGE)) continue;
          state.stops++;
          return;
        }
      };
      stream.onDrain(pump);
      pump();
    },
  };
  return { state, method };
}

describe("a stream", () => {
  test("says stop to a sender whose client has no window, and goes on when it opens one", async () => {
    const { state, method } = sender(200);
    const fixture = await start([method]);
    using client = connectHttp2(fixture.path, 0);
    const { stream, reply } = client.open({ path: "/test.S/Send", ...REQUEST });
    let received = 0;
    stream.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    await eventually(() => state.stops > 0, "the sender is stopped");
    await new Promise((resolve) => setTimeout(resolve, 50));
    const sentWhileClosed = state.sent;

    client.session.settings({ initialWindowSize: 1_000_000 });
    await eventually(() => received === 200 * (MESSAGE.length + 5), "everything arrives");
    state.stream?.end();
    await reply;

    expect(sentWhileClosed).toBeLessThan(100);
    expect(fixture.ends[0]?.code ?? "OK").toBe("OK");
  });

  test("that has its status and does not close takes its connection down after the grace", async () => {
    const { state, method } = sender(1_000);
    const fixture = await start([method], { streamGraceMs: 100 });
    using client = connectHttp2(fixture.path, 0);
    void client.call({ path: "/test.S/Send", ...REQUEST });
    await eventually(() => state.stops > 0, "the sender is stopped");
    let cancelled = false;
    state.stream?.onCancel(() => {
      cancelled = true;
    });

    state.stream?.end(new StatusError("OUT_OF_RANGE", "too slow"));

    await eventually(() => fixture.connections.size === 0, "the connection is destroyed");
    await eventually(() => fixture.ends.length === 1, "the end is reported");
    expect(fixture.ends[0]?.code).toBe("OUT_OF_RANGE");
    expect(fixture.streams).toEqual({ opened: 1, closed: 1 });
    expect(fixture.lines.filter((line) => line.level === "warn")).toHaveLength(1);
    expect(cancelled).toBe(false);
  });

  test("that closes in time keeps its connection", async () => {
    const ending: Method = {
      kind: "server-stream",
      name: "test.S/End",
      access: "read",
      handle: (_request, stream) => stream.end(),
    };
    const fixture = await start([ending], { streamGraceMs: 100 });
    using client = connectHttp2(fixture.path);
    await client.call({ path: "/test.S/End", ...REQUEST });
    await new Promise((resolve) => setTimeout(resolve, 600));

    expect(fixture.connections.size).toBe(1);
    expect((await client.call({ path: "/test.S/End", ...REQUEST })).grpcStatus).toBe(0);
  });
});

test("a unary reply that is not taken takes its connection down after its grace", async () => {
  const big: Method = { kind: "unary", name: "test.S/Big", access: "read", handle: () => Buffer.alloc(1_000_000) };
  const fixture = await start([big], { replyGraceMs: 100 });
  using client = connectHttp2(fixture.path, 0);
  void client.call({ path: "/test.S/Big", ...REQUEST });

  await eventually(() => fixture.ends.length === 1, "the end is reported");
  await eventually(() => fixture.connections.size === 0, "the connection is destroyed");
  // The answer was OK; that its bytes were not taken shows in the log.
  expect(fixture.ends[0]?.code).toBe("OK");
  expect(fixture.lines.filter((line) => line.level === "warn")).toHaveLength(1);
});

test("a duplex client that asks and does not read is not read from either", async () => {
  let asked = 0;
  const chatty: Method = {
    kind: "duplex",
    name: "test.S/Chat",
    access: "read",
    handle: (duplex) =>
      duplex.onMessage(() => {
        asked++;
        duplex.send(MESSAGE);
      }),
  };
  const fixture = await start([chatty]);
  using client = connectHttp2(fixture.path, 0);
  const { stream } = client.open({ path: "/test.S/Chat", body: [], end: false });
  for (let i = 0; i < 1_000; i++) stream.write(frame(Buffer.from("question")));
  await eventually(() => asked > 0, "the first question arrives");
  await new Promise((resolve) => setTimeout(resolve, 100));
  const askedWhileClosed = asked;

  let received = 0;
  stream.on("data", (chunk: Buffer) => {
    received += chunk.length;
  });
  client.session.settings({ initialWindowSize: 10_000_000 });
  await eventually(() => received === 1_000 * (MESSAGE.length + 5), "every question is answered in the end");

  expect(askedWhileClosed).toBeLessThan(200);
});

test("a service that listens for a drain after it has come is told of it", async () => {
  const { promise, resolve } = Promise.withResolvers<ReplyStream>();
  let drained = 0;
  const method: Method = {
    kind: "server-stream",
    name: "test.S/Late",
    access: "read",
    handle(_request, stream) {
      while (stream.send(MESSAGE));
      resolve(stream);
    },
  };
  const fixture = await start([method]);
  using client = connectHttp2(fixture.path, 0);
  const { stream } = client.open({ path: "/test.S/Late", ...REQUEST });
  const replies = await promise;
  client.session.settings({ initialWindowSize: 2 ** 20 });
  let received = 0;
  stream.on("data", (chunk: Buffer) => {
    received += chunk.length;
  });
  await eventually(() => received >= 16 * MESSAGE.length || received >= 64 * 1024, "all that waited has come");

  replies.onDrain(() => drained++);

  expect(drained).toBe(1);
  stream.close();
});
