import { expect, test } from "bun:test";
import type { Method } from "../../src/service/call.ts";
import { startGrpcFixture } from "../support/grpc-fixture.ts";
import { connectHttp2, frame } from "../support/http2-client.ts";

/** Messages of the longest, many at once: none stops another, whatever the windows are. */

const MIB = 2 ** 20;
const LIMIT = 4 * MIB;

const length: Method = {
  kind: "unary",
  name: "t.T/Length",
  access: "read",
  handle: (request) => Buffer.from(String(request.length)),
};
/** Says how long each message was; with the request, all in one: the client's half is over by then. */
const lengths: Method = {
  kind: "duplex",
  name: "t.T/Lengths",
  access: "read",
  handle(stream) {
    const seen: number[] = [];
    stream.onMessage((message) => void seen.push(message.length));
    stream.onHalfClose(() => {
      stream.send(Buffer.from(seen.join()));
      stream.end();
    });
  },
};

test.each([1, 3, 8, 30])("%i requests of 4 MiB side by side on one connection are all answered", async (count) => {
  await using fixture = await startGrpcFixture([length]);
  using client = connectHttp2(fixture.path);
  const body = [frame(Buffer.alloc(LIMIT))];
  const calls = Array.from({ length: count }, () => client.call({ path: "/t.T/Length", body }));

  const replies = await Promise.all(calls);

  expect(replies.map(({ grpcStatus, body: of }) => [grpcStatus, of.subarray(5).toString()])).toEqual(
    replies.map(() => [0, String(LIMIT)]),
  );
});

test("a call is answered while longer ones, whose clients have stopped half-way, have their turn", async () => {
  await using fixture = await startGrpcFixture([length]);
  using client = connectHttp2(fixture.path);
  const half = frame(Buffer.alloc(LIMIT / 2), { length: LIMIT });
  for (let i = 0; i < 10; i++) client.open({ path: "/t.T/Length", body: [half], end: false });

  const reply = await client.call({ path: "/t.T/Length", body: [frame(Buffer.alloc(60_000))] });

  expect([reply.grpcStatus, reply.body.subarray(5).toString()]).toEqual([0, "60000"]);
});

const SIZES: readonly (readonly [string, readonly number[]])[] = [
  ["a long message behind a shorter one", [100_000, LIMIT]],
  ["long messages, and a short one between them", [1_000_000, LIMIT, 1, LIMIT]],
  ["a thousand short messages", Array.from({ length: 1_000 }, (_, i) => i)],
];

test.each(SIZES)("on one stream %s come whole", async (_, sizes) => {
  await using fixture = await startGrpcFixture([lengths]);
  using client = connectHttp2(fixture.path);

  const reply = await client.call({ path: "/t.T/Lengths", body: sizes.map((size) => frame(Buffer.alloc(size))) });

  expect([reply.grpcStatus, reply.body.subarray(5).toString()]).toEqual([0, sizes.join()]);
});
