import { afterEach, describe, expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { eventually } from "../../tests/support/eventually.ts";
import { type Http2Fixture, type Http2FixtureOptions, startHttp2Fixture } from "../../tests/support/http2-fixture.ts";
import { encodeFrame, encodeHeaders } from "../../tests/support/http2-frames.ts";
import { encodeFields } from "./hpack-encoder.ts";
import { encodeNumber, Flag, FrameType, Setting, WINDOW_DEFAULT, WINDOW_MAX } from "./http2-frames.ts";
import { Http2Output } from "./http2-output.ts";

/** A client that opens every window, and then does not read its socket. */

const fixtures: Http2Fixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture[Symbol.asyncDispose]();
});
async function start(options: Http2FixtureOptions = {}): Promise<Http2Fixture> {
  const fixture = await startHttp2Fixture(options);
  fixtures.push(fixture);
  const widest = Buffer.alloc(6);
  widest.writeUInt16BE(Setting.initialWindowSize, 0);
  widest.writeUInt32BE(WINDOW_MAX, 2);
  await fixture.exchange(
    encodeFrame(FrameType.settings, 0, 0, widest),
    encodeNumber(FrameType.windowUpdate, 0, WINDOW_MAX - WINDOW_DEFAULT),
  );
  return fixture;
}

const KIB = 1_024;
const MIB = 1_024 * KIB;
/** What may wait in the socket: of data; and of all that no window holds back. */
const DATA_MAX = 256 * KIB;
const UNREAD_MAX = 1_280 * KIB;
/** Answers to all that one read of the socket gives. */
const ONE_READ = 8 * MIB;
const BLOCK = encodeFields([[":status", "200"]]);
const TRAILERS = encodeFields([["grpc-status", "0"]]);
const request = (stream: number) =>
  encodeFrame(FrameType.headers, Flag.endHeaders | Flag.endStream, stream, encodeHeaders([[":path", "/p.S/M"]]));
const times = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i));

test("streams go on at once, where the socket has taken at once what was in their way", () => {
  let unblocked = 0;
  const socket = Object.assign(new EventEmitter(), { write: () => true, writableLength: 0 });
  const output = new Http2Output(socket as unknown as Socket, () => unblocked++);
  output.push(Buffer.alloc(DATA_MAX + 1));
  expect(output.isBlocked).toBe(true);
  output.flush();
  expect([output.isBlocked, unblocked]).toEqual([false, 1]);
  output.push(Buffer.alloc(1));
  output.flush();
  expect(unblocked).toBe(1);
});

describe("data", () => {
  test("keeps to the streams but for what the socket takes, and leaves when it takes more", async () => {
    const { exchange, requests, client, socket } = await start();
    await exchange(...times(20, (i) => request(1 + 2 * i)));
    client.socket.pause();
    for (const { stream } of requests) {
      stream.sendHeaders(BLOCK, false);
      stream.sendData(Buffer.alloc(MIB));
    }
    await Bun.sleep(50);

    expect(socket.writableLength).toBeLessThan(DATA_MAX + 64 * KIB);
    expect(requests.reduce((sum, { stream }) => sum + stream.queuedBytes, 0)).toBeGreaterThan(18 * MIB);
    expect(requests.at(-1)?.stream.takesWhole(1)).toBe(false);

    for (const { stream } of requests) stream.sendTrailers(TRAILERS);
    client.socket.resume();
    await eventually(() => requests.every(({ happened }) => happened.at(-1) === "closed"), "all has left");
    await exchange();
    const bytes = client.frames.reduce((sum, { type, payload }) => sum + (type === 0 ? payload.length : 0), 0);
    expect(bytes).toBe(20 * MIB);
  });

  test("leaves in turns", async () => {
    const { exchange, requests, client } = await start();
    await exchange(...times(4, (i) => request(1 + 2 * i)));
    for (const { stream } of requests) {
      stream.sendHeaders(BLOCK, false);
      stream.sendData(Buffer.alloc(4 * MIB));
    }
    await eventually(() => requests.every(({ happened }) => happened.includes("drained")), "all has left");
    await exchange();

    const order = client.frames.filter(({ type }) => type === FrameType.data).map(({ stream }) => stream);
    const last = (stream: number) => order.lastIndexOf(stream) / order.length;
    for (const stream of [1, 3, 5, 7]) expect(last(stream)).toBeGreaterThan(0.7);
  });
});

test("a client that does not read cannot make more by asking on: it is not read either", async () => {
  const status = Buffer.concat(times(1_000, () => BLOCK));
  const { client, socket, exchange, requests } = await start({
    onRequest: ({ stream }) => stream.sendHeaders(status, true),
  });
  client.socket.pause();
  let longest = 0;
  for (let round = 0; round < 300; round++) {
    client.send(...times(100, (i) => request(1 + 2 * (100 * round + i))));
    if (round % 10 === 0) await Bun.sleep(1);
    longest = Math.max(longest, socket.writableLength);
  }
  await Bun.sleep(100);

  expect(Math.max(longest, socket.writableLength)).toBeLessThan(UNREAD_MAX + ONE_READ);
  expect(requests.length).toBeLessThan(10_000);

  client.socket.resume();
  await eventually(() => requests.length === 30_000, "every request is read");
  await exchange();
  expect(client.frames.filter(({ type }) => type === FrameType.headers)).toHaveLength(30_000);
});
