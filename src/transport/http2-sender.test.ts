import { afterEach, describe, expect, test } from "bun:test";
import {
  type Http2Fixture,
  type Http2FixtureOptions,
  type Request,
  startHttp2Fixture,
} from "../../tests/support/http2-fixture.ts";
import { bytesOf, endsOf, headers, ofType, reset, setting, window } from "../../tests/support/http2-talk.ts";
import { encodeFields } from "./hpack-encoder.ts";
import { ErrorCode, Flag, FrameType, Setting } from "./http2-frames.ts";

const fixtures: Http2Fixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture[Symbol.asyncDispose]();
});
async function start(options: Http2FixtureOptions = {}): Promise<Http2Fixture> {
  const fixture = await startHttp2Fixture(options);
  fixtures.push(fixture);
  return fixture;
}

const { endStream } = Flag;
const BLOCK = encodeFields([[":status", "200"]]);
const TRAILERS = encodeFields([["grpc-status", "0"]]);

async function startReplying(options: Http2FixtureOptions = {}, streams = 1) {
  const fixture = await start(options);
  await fixture.exchange(...Array.from({ length: streams }, (_, i) => headers(1 + 2 * i, endStream)));
  const [first] = fixture.requests;
  if (first === undefined) throw new Error("there is no request");
  return { ...fixture, first };
}

function reply({ stream }: Request, bytes: number): boolean {
  stream.sendHeaders(BLOCK, false);
  const fits = stream.sendData(Buffer.alloc(bytes, "x"));
  stream.sendTrailers(TRAILERS);
  return fits;
}

describe("a reply", () => {
  test("leaves in frames that every client takes, its trailers behind them", async () => {
    const { exchange, first } = await startReplying();
    expect(reply(first, 40_000)).toBe(true);
    const frames = await exchange();

    expect(frames.map(({ type, payload }) => [type, payload.length])).toEqual([
      [FrameType.headers, BLOCK.length],
      [FrameType.data, 16_384],
      [FrameType.data, 16_384],
      [FrameType.data, 40_000 - 2 * 16_384],
      [FrameType.headers, TRAILERS.length],
    ]);
    expect(first.happened).toEqual(["end", "closed"]);
  });

  test("waits for its stream's window, and its trailers with it", async () => {
    const { exchange, first } = await startReplying();
    await exchange(window(0, 1_000_000));
    expect(reply(first, 100_000)).toBe(false);

    const before = await exchange();
    expect([bytesOf(before, 1), endsOf(before)]).toEqual([65_535, []]);
    const more = await exchange(window(1, 30_000));
    expect([bytesOf(more, 1), endsOf(more)]).toEqual([30_000, []]);
    const last = await exchange(window(1, 30_000));
    expect([bytesOf(last, 1), endsOf(last)]).toEqual([100_000 - 95_535, [1]]);
    expect(first.happened).toEqual(["end", "closed"]);
  });

  test("waits for the connection's window", async () => {
    const { exchange, first } = await startReplying();
    await exchange(window(1, 1_000_000));
    expect(reply(first, 100_000)).toBe(false);

    expect(bytesOf(await exchange(), 1)).toBe(65_535);
    const last = await exchange(window(0, 50_000));
    expect([bytesOf(last, 1), endsOf(last)]).toEqual([100_000 - 65_535, [1]]);
  });

  test("waits for both windows of several", async () => {
    const { exchange, requests } = await startReplying({}, 2);
    for (const request of requests) reply(request, 50_000);
    const before = await exchange();
    expect([bytesOf(before, 1), bytesOf(before, 3)]).toEqual([50_000, 15_535]);
    await exchange(headers(5, endStream));
    expect(requests[2]?.stream.takesWhole(1)).toBe(false);

    const after = await exchange(window(0, 50_000));
    expect([bytesOf(after, 3), endsOf(after)]).toEqual([34_465, [3]]);
  });

  test("that was reset leaves its place in the window to others", async () => {
    const { exchange, requests } = await startReplying({}, 2);
    for (const request of requests) reply(request, 200_000);
    await exchange(reset(1));
    expect([requests[0]?.stream.queue, requests[0]?.stream.queuedBytes]).toEqual([[], 0]);
    const frames = await exchange(window(3, 200_000), window(0, 300_000));
    expect([bytesOf(frames, 1), bytesOf(frames, 3), endsOf(frames)]).toEqual([0, 200_000, [3]]);
  });

  test("says that it has left, where it had to wait and there is no end to it yet", async () => {
    const { exchange, first } = await startReplying();
    first.stream.sendHeaders(BLOCK, false);
    expect(first.stream.sendData(Buffer.alloc(60_000))).toBe(true);
    expect(first.stream.sendData(Buffer.alloc(6_000))).toBe(false);
    expect(first.stream.sendData(Buffer.alloc(1))).toBe(false);
    await exchange();
    expect([first.happened, first.stream.queuedBytes]).toEqual([["end"], 6_001 - 5_535]);

    const frames = await exchange(window(0, 10_000), window(1, 10_000));
    expect(bytesOf(frames, 1)).toBe(6_001 - 5_535);
    expect(first.happened).toEqual(["end", "drained"]);
    expect(first.stream.sendData(Buffer.alloc(1))).toBe(true);
  });

  test("goes nowhere after its end", async () => {
    const { exchange, first } = await startReplying();
    reply(first, 10);
    await exchange();
    expect(reply(first, 10)).toBe(false);
    first.stream.reset(ErrorCode.internal);
    expect(await exchange()).toEqual([]);
  });
});

describe("INITIAL_WINDOW_SIZE", () => {
  test("that grows lets a stream go on which waits", async () => {
    const { exchange, first } = await startReplying();
    await exchange(window(0, 1_000_000));
    reply(first, 100_000);
    await exchange();

    const frames = await exchange(setting(Setting.initialWindowSize, 65_535 + 34_465));
    expect([bytesOf(frames, 1), endsOf(frames)]).toEqual([34_465, [1]]);
  });

  test("that shrinks may bring a window below 0, and it has to come back from there", async () => {
    const { exchange, first } = await startReplying();
    await exchange(window(0, 1_000_000));
    first.stream.sendHeaders(BLOCK, false);
    first.stream.sendData(Buffer.alloc(60_000));
    await exchange(setting(Setting.initialWindowSize, 1_000));
    expect(first.stream.sendWindow).toBe(1_000 - 60_000);
    first.stream.sendData(Buffer.alloc(10));

    expect(bytesOf(await exchange(window(1, 59_000)), 1)).toBe(0);
    expect(bytesOf(await exchange(window(1, 4)), 1)).toBe(4);
    expect(bytesOf(await exchange(setting(Setting.initialWindowSize, 1_006)), 1)).toBe(6);
  });

  test("counts for streams that come later", async () => {
    const { exchange, requests } = await start();
    await exchange(setting(Setting.initialWindowSize, 7), headers(1, endStream));
    if (requests[0] !== undefined) reply(requests[0], 10);
    expect(bytesOf(await exchange(), 1)).toBe(7);
    const frames = await exchange(window(1, 3));
    expect([bytesOf(frames, 1), endsOf(frames)]).toEqual([3, [1]]);
  });
});

describe("HEADER_TABLE_SIZE", () => {
  const blocksAfter = async (...sizes: readonly number[]) => {
    const { exchange, first } = await startReplying();
    await exchange(...sizes.map((size) => setting(Setting.headerTableSize, size)));
    const wasWhole = first.stream.takesWhole(1);
    reply(first, 1);
    const blocks = ofType(await exchange(), FrameType.headers).map(({ payload }) => payload.toString("hex"));
    return { wasWhole, blocks };
  };
  const [block, trailers] = [BLOCK.toString("hex"), TRAILERS.toString("hex")];

  test.each([
    ["of 0", [0]],
    ["of 100", [100]],
    ["of 0 and then more", [0, 10_000]],
  ])("%s is acknowledged in the next block, and in no other", async (_, sizes) => {
    expect(await blocksAfter(...sizes)).toEqual({ wasWhole: false, blocks: [`20${block}`, trailers] });
  });

  test.each([[[4_096]], [[65_536]]])("%p is none that we would have to say anything of", async (sizes) => {
    expect(await blocksAfter(...sizes)).toEqual({ wasWhole: true, blocks: [block, trailers] });
  });
});

describe("streams of one connection", () => {
  test("have turns, where its window lets little through", async () => {
    const { exchange, requests } = await startReplying({}, 3);
    await exchange(...[1, 3, 5].map((stream) => window(stream, 1_000_000)));
    for (const request of requests) reply(request, 1_000_000);
    await exchange();

    const turns: number[] = [];
    for (let i = 0; i < 9; i++) {
      const frames = ofType(await exchange(window(0, 10_000)), FrameType.data);
      turns.push(...frames.map(({ stream }) => stream));
    }
    for (const stream of [1, 3, 5]) expect(turns.filter((turn) => turn === stream)).toHaveLength(3);
  });

  test("do not wait for one whose own window is closed", async () => {
    const { exchange, requests } = await startReplying({}, 2);
    await exchange(window(0, 1_000_000));
    const [large, small] = requests;
    if (large === undefined || small === undefined) throw new Error("there are no requests");
    reply(large, 1_000_000);
    expect(reply(small, 1_000)).toBe(true);
    const frames = await exchange();
    expect([bytesOf(frames, 1), bytesOf(frames, 3), endsOf(frames)]).toEqual([65_535, 1_000, [3]]);
  });
});
