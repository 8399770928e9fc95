import { afterEach, describe, expect, test } from "bun:test";
import { type Http2Fixture, type Http2FixtureOptions, startHttp2Fixture } from "../../tests/support/http2-fixture.ts";
import { encodeFrame } from "../../tests/support/http2-frames.ts";
import { data, given, headers, numberOf, ofType, reset, upload } from "../../tests/support/http2-talk.ts";
import { ErrorCode, Flag, FrameType } from "./http2-frames.ts";

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
/** The windows of the fixture. */
const STREAM = 70_000;
const CONNECTION = 140_000;

describe("a client that sends", () => {
  test("gets back what its stream has consumed and what came on the connection, half a window at a time", async () => {
    const { exchange } = await start();
    const first = await exchange(headers(1), ...upload(1, STREAM / 2 - 1));
    expect([given(first, 1), given(first, 0)]).toEqual([0, 0]);

    const second = await exchange(data(1, 1));
    expect([given(second, 1), given(second, 0)]).toEqual([STREAM / 2, 0]);

    const third = await exchange(...upload(1, STREAM / 2));
    expect([given(third, 1), given(third, 0)]).toEqual([STREAM / 2, CONNECTION / 2]);
  });

  test("gets nothing of its stream back while nobody takes it, and all of the connection", async () => {
    const { exchange, requests } = await start({ consumes: false });
    const held = await exchange(headers(1), ...upload(1, STREAM));
    expect([given(held, 1), given(held, 0)]).toEqual([0, CONNECTION / 2]);

    requests[0]?.stream.consumed(STREAM);
    const taken = await exchange();
    expect([given(taken, 1), given(taken, 0)]).toEqual([STREAM, 0]);
  });

  test("has no use for a window of a stream at its end", async () => {
    const { exchange, requests } = await start({ consumes: false });
    await exchange(headers(1), ...upload(1, STREAM), data(1, 0, endStream));
    requests[0]?.stream.consumed(STREAM);
    expect(given(await exchange(), 1)).toBe(0);
  });

  test("more than a stream's window loses the stream, and no window of the connection", async () => {
    const { exchange, client } = await start({ consumes: false });
    let granted = 0;
    for (let stream = 1; stream < 21; stream += 2) {
      const frames = await exchange(headers(stream), ...upload(stream, STREAM), data(stream, 10_000));
      granted += given(frames, 0);
      expect(ofType(frames, FrameType.rstStream).map((it) => [it.stream, numberOf(it)])).toEqual([
        [stream, ErrorCode.flowControl],
      ]);
    }
    expect(granted).toBeGreaterThan(10 * (STREAM + 10_000) - CONNECTION / 2);
    expect(client.isClosed).toBe(false);
  });

  test("padding spends its window on it, and gets it back at once", async () => {
    const { exchange } = await start({ consumes: false });
    const padding = (bytes: number) =>
      encodeFrame(FrameType.data, Flag.padded, 1, Buffer.concat([Buffer.from([255]), Buffer.alloc(255 + bytes)]));
    const frames = await exchange(headers(1), ...Array.from({ length: 500 }, () => padding(1)));
    const granted = given(frames, 1);
    expect(granted).toBeGreaterThan(500 * 256 - STREAM / 2);
    expect(granted).toBeLessThanOrEqual(500 * 256);
  });

  test.each([
    ["for a stream that has been", [headers(1), reset(1)]],
    ["for a stream at its end", [headers(1, endStream)]],
    ["for a stream that was refused", [headers(1), headers(3), headers(5)]],
  ])("%s loses none of the connection's window by it", async (_, before) => {
    const { exchange, client } = await start({ streamsMax: 2 });
    await exchange(...before);
    const late = before.length === 3 ? 5 : 1;
    let granted = 0;
    for (let i = 0; i < 5; i++) granted += given(await exchange(...upload(late, CONNECTION / 2)), 0);
    expect([granted, client.isClosed]).toEqual([5 * (CONNECTION / 2), false]);
  });
});

describe("a stream whose message is longer than its window", () => {
  /** Of the fixture, and what is granted of all streams beyond it. */
  const GRANTED = 200_000;
  const LONG = 169_000;
  const startHeld = async (streams: readonly number[]) => {
    const fixture = await start({ consumes: false });
    await fixture.exchange(...streams.map((stream) => headers(stream)));
    return fixture;
  };
  const streamOf = (fixture: Http2Fixture, id: number) => {
    const request = fixture.requests.find(({ stream }) => stream.id === id);
    if (request === undefined) throw new Error(`there is no stream ${id}`);
    return request.stream;
  };

  test("is granted what is missing, and no more", async () => {
    const fixture = await startHeld([1]);
    await fixture.exchange(data(1, 10_000));
    streamOf(fixture, 1).want(LONG - 10_000);
    expect(given(await fixture.exchange(), 1)).toBe(LONG - STREAM);
    streamOf(fixture, 1).want(LONG - 10_000);
    expect(given(await fixture.exchange(...upload(1, LONG - 10_000)), 1)).toBe(0);
    const over = await fixture.exchange(data(1, 1));
    expect(ofType(over, FrameType.rstStream).map(numberOf)).toEqual([ErrorCode.flowControl]);
  });

  test("has its usual window again once the message is taken", async () => {
    const fixture = await startHeld([1]);
    streamOf(fixture, 1).want(LONG);
    await fixture.exchange(...upload(1, LONG));
    streamOf(fixture, 1).consumed(LONG);
    expect(given(await fixture.exchange(), 1)).toBe(STREAM);
  });

  test("is granted nothing for a message that its window has room for", async () => {
    const fixture = await startHeld([1]);
    streamOf(fixture, 1).want(STREAM);
    expect(await fixture.exchange()).toEqual([]);
  });

  test("is granted it all, however long it is, where no other has its turn", async () => {
    const fixture = await startHeld([1]);
    streamOf(fixture, 1).want(10 * GRANTED);
    expect(given(await fixture.exchange(), 1)).toBe(10 * GRANTED - STREAM);
  });

  test.each([
    ["the message of another is taken", (fixture: Http2Fixture) => streamOf(fixture, 1).consumed(LONG)],
    ["another is over", (fixture: Http2Fixture) => streamOf(fixture, 1).reset(ErrorCode.cancel)],
  ])("waits for its turn until %s, in the order of those that wait", async (_, free) => {
    const fixture = await startHeld([1, 3, 5, 7, 9]);
    for (const id of [1, 3, 5, 7]) streamOf(fixture, id).want(LONG);
    // What would fit does not go before the others.
    streamOf(fixture, 9).want(STREAM + 1);
    const first = await fixture.exchange(...upload(1, LONG));
    expect([1, 3, 5, 7, 9].map((id) => given(first, id) > 0)).toEqual([true, true, false, false, false]);

    free(fixture);
    const second = await fixture.exchange();
    expect([3, 5, 7, 9].map((id) => given(second, id) > 0)).toEqual([false, true, false, false]);
  });

  test("does not wait where it is over before its turn", async () => {
    const fixture = await startHeld([1, 3, 5, 7]);
    for (const id of [1, 3, 5, 7]) streamOf(fixture, id).want(LONG);
    await fixture.exchange(...upload(1, LONG), reset(5));
    streamOf(fixture, 1).consumed(LONG);
    const frames = await fixture.exchange();
    expect([5, 7].map((id) => given(frames, id))).toEqual([0, LONG - STREAM]);
  });

  test("is granted what it loses to padding, in its turn", async () => {
    const fixture = await startHeld([1, 3, 5]);
    for (const id of [1, 3, 5]) streamOf(fixture, id).want(LONG);
    await fixture.exchange(encodeFrame(FrameType.data, Flag.padded, 1, Buffer.alloc(10_000).fill(200, 0, 1)));
    streamOf(fixture, 1).want(LONG - (10_000 - 201));
    expect(given(await fixture.exchange(), 1)).toBe(201);
  });
});
