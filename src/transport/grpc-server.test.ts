import { afterEach, describe, expect, test } from "bun:test";
import { connectBytesClient } from "../../tests/support/bytes-client.ts";
import { eventually, type GrpcFixture, startGrpcFixture } from "../../tests/support/grpc-fixture.ts";
import { connectHttp2, frame } from "../../tests/support/http2-client.ts";
import { Code, StatusError } from "../base/status-error.ts";
import type { Method, ReplyStream, UnaryMethod } from "../service/call.ts";
import type { GrpcServerOptions } from "./grpc-options.ts";

const fixtures: GrpcFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture[Symbol.asyncDispose]();
});

async function start(methods: readonly Method[], overrides: Partial<GrpcServerOptions> = {}): Promise<GrpcFixture> {
  const fixture = await startGrpcFixture(methods, overrides);
  fixtures.push(fixture);
  return fixture;
}

const unary = (handle: UnaryMethod["handle"]): Method => ({
  kind: "unary",
  name: "test.T/Unary",
  access: "read",
  handle,
});
const stream = (handle: (stream: ReplyStream) => void | Promise<void>): Method => ({
  kind: "server-stream",
  name: "test.T/Stream",
  access: "read",
  handle: (_request, replies) => handle(replies),
});
const echo = unary((request) => request);
const errorLines = (fixture: GrpcFixture) => fixture.lines.filter((line) => line.level === "error");

describe("a handler that fails by a fault of its own costs one INTERNAL answer and one log line:", () => {
  const secret = () => {
    throw new Error("the secret\ndetail");
  };
  const failing: readonly (readonly [string, Method])[] = [
    ["a unary one that throws", unary(secret)],
    ["a unary one that rejects", unary(async () => secret())],
    ["a unary one that rejects with undefined", unary(() => Promise.reject(undefined))],
    ["a unary one that answers with no bytes", unary(() => undefined as unknown as Uint8Array)],
    ["a unary one that resolves to no bytes", unary(async () => undefined as unknown as Uint8Array)],
    ["a stream's that throws", stream(secret)],
    ["a stream's that rejects", stream(async () => secret())],
    ["a stream's that throws in its drain listener", drainThrower()],
  ];

  function drainThrower(): Method {
    return stream((replies) => {
      replies.onDrain(secret);
      while (replies.send(Buffer.alloc(1_000)));
    });
  }

  test.each(failing.map(([name, method]) => [name, method] as const))("%s", async (_name, method) => {
    const healthy: Method = { ...echo, name: "test.T/Healthy" } as Method;
    const fixture = await start([method, healthy]);
    using client = connectBytesClient(fixture);

    const answer = method.kind === "unary" ? await client.unary(method.name) : await client.stream(method.name).status;

    expect(answer).toMatchObject({ code: Code.INTERNAL, details: "internal error" });
    expect(errorLines(fixture)).toHaveLength(1);
    expect(errorLines(fixture)[0]?.fields).toMatchObject({ method: method.name, peer: "uid 1000, gid 1000, pid 71" });
    expect((await client.unary("test.T/Healthy", Buffer.from("still here"))).reply).toBe("still here");
  });

  test("a duplex one that throws at a message", async () => {
    const method: Method = {
      kind: "duplex",
      name: "test.T/Duplex",
      access: "read",
      handle: (duplex) => duplex.onMessage(secret),
    };
    const fixture = await start([method]);
    using client = connectHttp2(fixture.path);

    const reply = await client.call({ path: "/test.T/Duplex", body: [frame(Buffer.from("x"))] });

    expect(reply.grpcStatus).toBe(Code.INTERNAL);
    expect(errorLines(fixture)).toHaveLength(1);
  });

  test("one that throws in its cancel listener (a log line only)", async () => {
    const fixture = await start([stream((replies) => replies.onCancel(secret))]);
    using client = connectBytesClient(fixture);
    const watching = client.stream("test.T/Stream");
    await eventually(() => fixture.streams.opened === 1, "the stream is open");

    watching.cancel();

    await eventually(() => errorLines(fixture).length === 1, "the failure is logged");
    await eventually(() => fixture.ends.length === 1, "the call's end is reported");
  });
});

describe("a status", () => {
  const throwing = (error: StatusError) => unary(() => Promise.reject(error));

  test("of a service reaches the client with its code and its text", async () => {
    const fixture = await start([throwing(new StatusError("NOT_FOUND", 'name: "gpu-é" is 100 % unknown'))]);
    using client = connectBytesClient(fixture);

    expect(await client.unary("test.T/Unary")).toMatchObject({
      code: Code.NOT_FOUND,
      details: 'name: "gpu-é" is 100 % unknown',
    });
    expect(errorLines(fixture)).toEqual([]);
  });

  test.each([["\ud800 lone \udfff"], ["x\r\ny: z\0"], ["😀".repeat(100_000)]])(
    "with the hostile text %# neither breaks the call nor the process",
    async (text) => {
      const fixture = await start([throwing(new StatusError("INVALID_ARGUMENT", text))]);
      using client = connectBytesClient(fixture);

      const { code, details } = await client.unary("test.T/Unary");

      expect(code).toBe(Code.INVALID_ARGUMENT);
      expect(text.toWellFormed().startsWith(details)).toBe(true);
      expect(details.length).toBeGreaterThan(5);
    },
  );

  test("of a stream follows the messages that were sent before it", async () => {
    const fixture = await start([
      stream((replies) => {
        for (const text of ["a", "b"]) replies.send(Buffer.from(text));
        replies.end(new StatusError("OUT_OF_RANGE", "too old"));
        replies.send(Buffer.from("late"));
        replies.end();
      }),
    ]);
    using client = connectBytesClient(fixture);
    const watching = client.stream("test.T/Stream");

    expect(await watching.status).toMatchObject({ code: Code.OUT_OF_RANGE, details: "too old" });
    expect(watching.messages).toEqual(["a", "b"]);
  });
});

test("the name of a method that is not there comes back, and no more of it than a name may have", async () => {
  const fixture = await start([echo]);
  using client = connectBytesClient(fixture);
  expect(await client.unary("test.T/Nope")).toMatchObject({
    code: Code.UNIMPLEMENTED,
    details: "there is no method test.T/Nope",
  });
  expect((await client.unary(`test.T/${"x".repeat(4_000)}`)).details).toHaveLength("there is no method ".length + 128);
});

describe("a peer", () => {
  const whoami = unary((_request, call) => Buffer.from(JSON.stringify(call.peer)));

  test("reaches the handler by its own connection", async () => {
    const fixture = await start([whoami]);
    using first = connectBytesClient(fixture);
    using second = connectBytesClient(fixture);

    const peers = [];
    for (const client of [first, second, first]) peers.push(JSON.parse((await client.unary("test.T/Unary")).reply));

    expect(peers.map((peer) => peer.connection)).toEqual([1, 2, 1]);
    expect(peers[1]).toEqual({ kind: "unix", connection: 2, pid: 72, uid: 1_000, gid: 1_000, groups: [27] });
  });

  test("that may not call is refused before the handler sees anything", async () => {
    const seen: unknown[] = [];
    const fixture = await start(
      [unary((request) => request), stream((replies) => void seen.push(replies))].map((method) => ({
        ...method,
        access: "write",
      })),
      {
        authorize(method, peer) {
          seen.push([method.name, method.access, peer.kind]);
          throw new StatusError("PERMISSION_DENIED", "not you");
        },
      },
    );
    using client = connectBytesClient(fixture);

    expect(await client.unary("test.T/Unary")).toMatchObject({ code: Code.PERMISSION_DENIED, details: "not you" });
    expect((await client.stream("test.T/Stream").status).code).toBe(Code.PERMISSION_DENIED);
    expect(seen).toEqual([
      ["test.T/Unary", "write", "unix"],
      ["test.T/Stream", "write", "unix"],
    ]);
    expect(fixture.streams.opened).toBe(0);
  });
});

describe("the end of a call", () => {
  test("is reported once with its code, whatever ended it, and logged at -v 4", async () => {
    const fixture = await start([
      echo,
      stream((replies) => {
        replies.send(Buffer.from("open"));
      }),
    ]);
    using client = connectBytesClient(fixture);
    await client.unary("test.T/Unary");
    await eventually(() => fixture.ends.length === 1, "the unary call's end");
    const watching = client.stream("test.T/Stream");
    await eventually(() => watching.messages.length === 1, "the stream is open");
    expect(fixture.streams).toEqual({ opened: 1, closed: 0 });
    watching.cancel();
    await eventually(() => fixture.ends.length === 2, "the stream's end");

    expect(fixture.ends.map(({ method, kind, code }) => [method, kind, code])).toEqual([
      ["test.T/Unary", "unary", "OK"],
      ["test.T/Stream", "server-stream", "CANCELLED"],
    ]);
    expect(fixture.ends.every((end) => end.seconds >= 0 && end.seconds < 60)).toBe(true);
    expect(fixture.streams).toEqual({ opened: 1, closed: 1 });
    expect(fixture.lines.map(({ level, fields }) => [level, fields["method"], fields["code"]])).toEqual([
      ["debug-4", "test.T/Unary", "OK"],
      ["debug-4", "test.T/Stream", "CANCELLED"],
    ]);
  });

  test("cancels the service's work when the connection drops", async () => {
    let cancelled = 0;
    const fixture = await start([unary((_request, call) => new Promise(() => call.onCancel(() => cancelled++)))]);
    const client = connectHttp2(fixture.path);
    void client.call({ path: "/test.T/Unary", body: [frame(Buffer.alloc(0))] });
    await eventually(() => fixture.server.openCalls === 1, "the call is open");

    client[Symbol.dispose]();

    await eventually(() => fixture.ends.length === 1, "the end is reported");
    expect(cancelled).toBe(1);
    expect(fixture.ends[0]?.code).toBe("CANCELLED");
  });

  test("is RESOURCE_EXHAUSTED for a reply over the send limit", async () => {
    const fixture = await start([unary(() => Buffer.alloc(2_000))], { maxSendBytes: 1_000 });
    using client = connectBytesClient(fixture);

    expect((await client.unary("test.T/Unary")).code).toBe(Code.RESOURCE_EXHAUSTED);
    await eventually(() => fixture.ends.length === 1, "the end is reported");
    expect(fixture.ends[0]?.code).toBe("RESOURCE_EXHAUSTED");
  });
});

test("the caller of a stream that says nothing has its headers at once", async () => {
  const fixture = await start([stream(() => {})]);
  using client = connectBytesClient(fixture);
  const watching = client.stream("test.T/Stream");
  await watching.headers;
  expect(watching.messages).toEqual([]);
  watching.cancel();
});
