import { afterEach, describe, expect, test } from "bun:test";
import { eventually } from "../../tests/support/eventually.ts";
import { type Http2Fixture, type Http2FixtureOptions, startHttp2Fixture } from "../../tests/support/http2-fixture.ts";
import { encodeFrame, encodeHeaders } from "../../tests/support/http2-frames.ts";
import { data, goaways, headers, numberOf, REQUEST, reset, resets, setting } from "../../tests/support/http2-talk.ts";
import { encodeFields } from "./hpack-encoder.ts";
import { ErrorCode, encodeNumber, Flag, FrameType, PREFACE, Setting } from "./http2-frames.ts";

const fixtures: Http2Fixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture[Symbol.asyncDispose]();
});
async function start(options: Http2FixtureOptions = {}): Promise<Http2Fixture> {
  const fixture = await startHttp2Fixture(options);
  fixtures.push(fixture);
  return fixture;
}

const { endStream, endHeaders } = Flag;
const PLAIN_OK = encodeFields([[":status", "200"]]);

describe("a request", () => {
  test("is handed over with its fields, its data and its end", async () => {
    const { exchange, requests } = await start();
    await exchange(headers(1), encodeFrame(FrameType.data, 0, 1, Buffer.from("ab")), data(1, 0, endStream));

    expect(requests.map(({ fields, happened }) => [fields, happened])).toEqual([[REQUEST, ["end"]]]);
    expect(requests[0]?.data).toEqual([Buffer.from("ab")]);
  });

  test("may be headers alone", async () => {
    const { exchange, requests } = await start();
    await exchange(headers(1, endStream));
    expect(requests[0]?.happened).toEqual(["end"]);
  });

  test("may have trailers, which mean nothing", async () => {
    const { exchange, requests } = await start();
    const frames = await exchange(headers(1), data(1, 3), headers(1, endStream, [["x-checksum", "1"]]));
    expect([requests[0]?.happened, resets(frames)]).toEqual([["end"], []]);
  });

  test.each([
    ["with a pseudo-header", headers(1, endStream, [[":path", "/"]])],
    ["with a name that is none", headers(1, endStream, [["X", "1"]])],
    ["that do not end it", headers(1, 0, [["x", "1"]])],
    ["over the limit", headers(1, endStream, [["x", "1".repeat(1_000)]])],
  ])("with trailers %s is reset", async (_, trailers) => {
    const { exchange, requests } = await start();
    const frames = await exchange(headers(1), trailers);
    expect([requests[0]?.happened, resets(frames)]).toEqual([["lost"], [[1, ErrorCode.protocol]]]);
  });

  test("whose headers are over the limit is handed over without, and the connection stays", async () => {
    const { exchange, requests } = await start();
    await exchange(headers(1, endStream, [["x", "1".repeat(1_000)]]), headers(3, endStream));
    expect(requests.map(({ fields }) => fields)).toEqual([undefined, REQUEST]);
  });

  test("beyond the limit of streams is refused, until one has ended", async () => {
    const { exchange, requests } = await start({ streamsMax: 2 });
    const frames = await exchange(headers(1), headers(3), headers(5), headers(7, endStream));
    expect(resets(frames)).toEqual([
      [5, ErrorCode.refusedStream],
      [7, ErrorCode.refusedStream],
    ]);
    expect(requests.map(({ stream }) => stream.id)).toEqual([1, 3]);

    expect(resets(await exchange(reset(1), headers(9)))).toEqual([]);
    expect(requests.map(({ stream }) => stream.id)).toEqual([1, 3, 9]);
  });

  test("that is reset by its client is lost, once", async () => {
    const { exchange, requests, connection } = await start();
    const frames = await exchange(headers(1), reset(1), reset(1));
    expect([requests[0]?.happened, frames, connection.openStreams]).toEqual([["lost"], [], 0]);
  });

  test("is lost with its connection", async () => {
    const { exchange, requests, client } = await start();
    await exchange(headers(1), headers(3, endStream));
    client[Symbol.dispose]();
    await eventually(() => requests.every(({ happened }) => happened.at(-1) === "lost"), "both are lost");
    expect(requests.map(({ happened }) => happened)).toEqual([["lost"], ["end", "lost"]]);
  });

  test("that is complete and has its answer at once is not told to stop", async () => {
    const { exchange } = await start({ onRequest: ({ stream }) => stream.sendHeaders(PLAIN_OK, true) });
    const frames = await exchange(headers(1), headers(3, endStream));
    expect(resets(frames)).toEqual([[1, ErrorCode.none]]);
  });

  test("that has its answer before its end is told to stop, and one at its end is not", async () => {
    const { exchange, requests } = await start();
    await exchange(headers(1), headers(3, endStream));
    for (const { stream } of requests) stream.sendHeaders(PLAIN_OK, true);
    const frames = await exchange();
    expect(resets(frames)).toEqual([[1, ErrorCode.none]]);
    expect(requests.map(({ happened }) => happened)).toEqual([["closed"], ["end", "closed"]]);
  });
});

describe("a content-length of 5 is kept by", () => {
  const promising = async () => {
    const fixture = await start({
      onRequest({ stream }) {
        stream.expectedBytes = 5;
      },
    });
    return fixture;
  };
  const cases: readonly (readonly [string, readonly Uint8Array[], string | undefined])[] = [
    ["5 bytes", [headers(1), data(1, 5, endStream)], "end"],
    ["5 bytes in pieces", [headers(1), data(1, 2), data(1, 0), data(1, 3), data(1, 0, endStream)], "end"],
    ["5 bytes and trailers", [headers(1), data(1, 5), headers(1, endStream, [["x", "1"]])], "end"],
    ["5 bytes so far", [headers(1), data(1, 5)], undefined],
    ["no end with 4 bytes", [headers(1), data(1, 4, endStream)], "lost"],
    ["no end with 4 bytes and trailers", [headers(1), data(1, 4), headers(1, endStream, [["x", "1"]])], "lost"],
    ["no end in the headers", [headers(1, endStream)], "lost"],
    ["no more than 5 bytes", [headers(1), data(1, 6)], "lost"],
    ["no more than 5 bytes in pieces", [headers(1), data(1, 5), data(1, 1, endStream)], "lost"],
  ];

  test.each(cases)("%s", async (_, frames, outcome) => {
    const { exchange, requests } = await promising();
    const came = await exchange(...frames);
    expect(requests[0]?.happened[0]).toBe(outcome as string);
    expect(resets(came)).toEqual(outcome === "lost" ? [[1, ErrorCode.protocol]] : []);
  });
});

describe("the stream, and no more, goes for", () => {
  const open = headers(1);
  const ended = headers(1, endStream);
  const { streamClosed, protocol, flowControl, frameSize } = ErrorCode;
  const priorityOf = (stream: number, on: number, bytes = 5) => {
    const payload = Buffer.alloc(bytes);
    if (bytes >= 4) payload.writeUInt32BE(on);
    return encodeFrame(FrameType.priority, 0, stream, payload);
  };
  const cases: readonly (readonly [string, readonly Uint8Array[], number, number])[] = [
    ["data after its end", [ended, data(1, 1)], 1, streamClosed],
    ["headers after its end", [ended, headers(1, endStream)], 1, streamClosed],
    ["data after it was reset", [open, reset(1), data(1, 1)], 1, streamClosed],
    ["trailers after it was reset", [open, reset(1), headers(1, endStream, [["x", "1"]])], 1, streamClosed],
    ["a WINDOW_UPDATE of 0", [open, encodeNumber(FrameType.windowUpdate, 1, 0)], 1, protocol],
    ["a window over the limit", [open, encodeNumber(FrameType.windowUpdate, 1, 2 ** 31 - 1)], 1, flowControl],
    ["a PRIORITY of the wrong length", [open, priorityOf(1, 3, 4)], 1, frameSize],
    ["a PRIORITY on itself", [open, priorityOf(1, 1)], 1, protocol],
    ["a PRIORITY on itself before it is there", [priorityOf(5, 5)], 5, protocol],
    [
      "headers with a priority on itself",
      [
        encodeFrame(
          FrameType.headers,
          endHeaders | Flag.priority,
          1,
          Buffer.concat([Buffer.from([0, 0, 0, 1, 16]), encodeHeaders(REQUEST)]),
        ),
      ],
      1,
      protocol,
    ],
  ];

  test.each(cases)("%s", async (_, frames, stream, code) => {
    const { exchange, client, connection } = await start();
    const came = await exchange(...frames);
    expect([resets(came), goaways(came), client.isClosed]).toEqual([[[stream, code]], [], false]);
    expect(connection.openStreams).toBe(0);
  });
});

describe("the connection goes for", () => {
  const { protocol, flowControl, frameSize, compression, enhanceYourCalm } = ErrorCode;
  const empty = Buffer.alloc(0);
  const onStream = (type: number, stream: number, bytes: number, flags = 0) =>
    encodeFrame(type, flags, stream, Buffer.alloc(bytes));
  const cases: readonly (readonly [string, readonly Uint8Array[], number])[] = [
    ["data on stream 0", [data(0, 1)], protocol],
    ["data on a stream that is not open yet", [data(1, 1)], protocol],
    ["data on a stream of our own", [headers(3), data(2, 1)], protocol],
    ["headers on stream 0", [headers(0)], protocol],
    ["headers on a stream of our own", [headers(2)], protocol],
    ["a request on a stream that has been", [headers(1), reset(1), headers(1)], protocol],
    ["a request on a stream that was passed over", [headers(5), headers(3)], protocol],
    ["headers that are not HPACK", [encodeFrame(FrameType.headers, endHeaders, 1, Buffer.from([0x80]))], compression],
    ["padding longer than the data", [headers(1), encodeFrame(0, Flag.padded, 1, Buffer.from([1]))], protocol],
    [
      "a frame in a header block",
      [encodeFrame(FrameType.headers, 0, 1, empty), onStream(FrameType.ping, 0, 8)],
      protocol,
    ],
    ["headers in a header block", [encodeFrame(FrameType.headers, 0, 1, empty), headers(3)], protocol],
    ["a CONTINUATION of nothing", [onStream(FrameType.continuation, 1, 0, endHeaders)], protocol],
    ["a RST_STREAM on stream 0", [reset(0)], protocol],
    ["a RST_STREAM before its stream", [reset(1)], protocol],
    ["a RST_STREAM of the wrong length", [headers(1), onStream(FrameType.rstStream, 1, 3)], frameSize],
    ["a WINDOW_UPDATE of 0", [encodeNumber(FrameType.windowUpdate, 0, 0)], protocol],
    ["a WINDOW_UPDATE of the wrong length", [onStream(FrameType.windowUpdate, 0, 3)], frameSize],
    ["a WINDOW_UPDATE before its stream", [encodeNumber(FrameType.windowUpdate, 1, 1)], protocol],
    ["a window over the limit", [encodeNumber(FrameType.windowUpdate, 0, 2 ** 31 - 1)], flowControl],
    ["SETTINGS on a stream", [onStream(FrameType.settings, 1, 0)], protocol],
    ["SETTINGS of no whole number", [onStream(FrameType.settings, 0, 5)], frameSize],
    ["an answer to SETTINGS that says something", [onStream(FrameType.settings, 0, 6, Flag.ack)], frameSize],
    ["an ENABLE_PUSH of 2", [setting(Setting.enablePush, 2)], protocol],
    ["an INITIAL_WINDOW_SIZE over the limit", [setting(Setting.initialWindowSize, 2 ** 31)], flowControl],
    ["a MAX_FRAME_SIZE below the least", [setting(Setting.maxFrameSize, 16_383)], protocol],
    ["a MAX_FRAME_SIZE over the limit", [setting(Setting.maxFrameSize, 2 ** 24)], protocol],
    [
      "an INITIAL_WINDOW_SIZE that brings a stream over the limit",
      [headers(1), encodeNumber(FrameType.windowUpdate, 1, 2 ** 30), setting(Setting.initialWindowSize, 2 ** 31 - 1)],
      flowControl,
    ],
    ["a PING on a stream", [onStream(FrameType.ping, 1, 8)], protocol],
    ["a PING of the wrong length", [onStream(FrameType.ping, 0, 7)], frameSize],
    ["a PRIORITY on stream 0", [onStream(FrameType.priority, 0, 5)], protocol],
    ["a PUSH_PROMISE", [onStream(FrameType.pushPromise, 1, 8)], protocol],
    ["a GOAWAY on a stream", [onStream(FrameType.goaway, 1, 8)], protocol],
    ["1,001 SETTINGS at once", Array.from({ length: 3_000 }, () => setting(0xee, 0)), enhanceYourCalm],
    ["1,001 frames of padding at once", [headers(1), ...Array.from({ length: 3_000 }, paddingAlone)], enhanceYourCalm],
  ];

  test.each(cases)("%s", async (_, frames, code) => {
    const { exchange, client, requests } = await start();
    const came = await exchange(...frames);
    await eventually(() => client.isClosed, "it is closed");
    expect(goaways(came)).toEqual([code]);
    expect(requests.every(({ happened }) => happened.at(-1) === "lost")).toBe(true);
  });

  function paddingAlone(): Buffer {
    return encodeFrame(FrameType.data, Flag.padded, 1, Buffer.from([0]));
  }

  test("a frame in the place of the first SETTINGS", async () => {
    const { client } = await start();
    client.send(PREFACE, onStream(FrameType.ping, 0, 8));
    await eventually(() => client.isClosed, "it is closed");
    expect(goaways(client.frames)).toEqual([protocol]);
  });

  test("GOAWAY names the last stream that was heard of", async () => {
    const { exchange } = await start();
    const came = await exchange(headers(1), headers(7), data(9, 1));
    expect(came.find(({ type }) => type === FrameType.goaway)?.payload.readUInt32BE(0)).toBe(7);
  });
});

test("what came with the frame that cost a connection its life is not looked at", async () => {
  const { exchange, requests } = await start({ onRequest: ({ stream }) => stream.id === 3 && connection.destroy() });
  const { connection } = fixtures[0] as Http2Fixture;
  await exchange(headers(1), headers(3), headers(5), data(1, 1));
  expect(requests.map(({ stream, happened }) => [stream.id, happened])).toEqual([
    [1, ["lost"]],
    [3, []],
  ]);
});

describe("what means nothing is passed over:", () => {
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ["a frame of an unknown type", encodeFrame(0xee, 0xff, 0, Buffer.alloc(3))],
    ["a setting of an unknown number", setting(0xee, 7)],
    ["the client's GOAWAY", encodeFrame(FrameType.goaway, 0, 0, Buffer.alloc(8))],
    ["an answer to a PING", encodeFrame(FrameType.ping, Flag.ack, 0, Buffer.alloc(8))],
    ["an answer to SETTINGS", encodeFrame(FrameType.settings, Flag.ack, 0, Buffer.alloc(0))],
    ["a PRIORITY of a stream that is not there", encodeFrame(FrameType.priority, 0, 9, Buffer.alloc(5))],
    ["unknown flags", encodeFrame(FrameType.ping, Flag.ack | 0xf0, 0, Buffer.alloc(8))],
  ];
  test.each(cases)("%s", async (_, frame) => {
    const { exchange, requests } = await start();
    expect(await exchange(frame, headers(1, endStream))).toEqual([]);
    expect(requests).toHaveLength(1);
  });

  test("a WINDOW_UPDATE or a RST_STREAM for a stream that has been", async () => {
    const { exchange } = await start();
    const late = [encodeNumber(FrameType.windowUpdate, 1, 5), reset(1)];
    expect(await exchange(headers(1), reset(1), ...late)).toEqual([]);
  });
});

test("a PING has its answer, and SETTINGS have theirs", async () => {
  const { exchange, client } = await start();
  await exchange(encodeFrame(FrameType.ping, 0, 0, Buffer.from("01234567")), setting(0xee, 0));

  const acks = client.frames.filter(({ flags }) => (flags & Flag.ack) !== 0);
  expect(acks.map(({ type, payload }) => [type, payload.toString()])).toContainEqual([FrameType.ping, "01234567"]);
  expect(acks.filter(({ type }) => type === FrameType.settings)).toHaveLength(2);
});

test("the server says its limits first, and grants the connection its window", async () => {
  const { client } = await start({ streamsMax: 7 });
  await eventually(() => client.frames.length === 2, "the greeting has come");
  const [settings, window] = client.frames;
  expect(settings?.payload.toString("hex")).toBe(
    ["0003", "00000007", "0004", (70_000).toString(16).padStart(8, "0"), "0006", "000003e8"].join(""),
  );
  expect(window && [window.stream, numberOf(window)]).toEqual([0, 140_000 - 65_535]);
});

test("a fault of our own ends the connection with INTERNAL_ERROR, and is told", async () => {
  const fault = new Error("a fault");
  const { exchange, client, failures } = await start({
    onRequest() {
      throw fault;
    },
  });
  const came = await exchange(headers(1));
  await eventually(() => client.isClosed, "it is closed");
  expect([goaways(came), failures]).toEqual([[ErrorCode.internal], [fault]]);
});
