import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FrameReader } from "./http2-frame-reader.ts";
import { ConnectionError, ErrorCode, encodeFrame, PREFACE } from "./http2-frames.ts";

function setUp() {
  const frames: unknown[] = [];
  const reader = new FrameReader((type, flags, stream, payload) => {
    frames.push([type, flags, stream, payload.toString("latin1")]);
  });
  return { reader, frames };
}

const SETTINGS = encodeFrame(4, 0, 0, Buffer.alloc(6));
const codeOf = (run: () => void) => {
  try {
    run();
  } catch (error) {
    return error instanceof ConnectionError ? error.code : error;
  }
  return undefined;
};

test("frames are what was sent, wherever the pieces of it end", () => {
  const frame = fc.record({
    type: fc.integer({ min: 0, max: 255 }),
    flags: fc.integer({ min: 0, max: 255 }),
    stream: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    payload: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(new Uint8Array(16_384))),
  });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(60), { maxLength: 60 }), (sent, cuts) => {
      const { reader, frames } = setUp();
      const encoded = sent.map(({ type, flags, stream, payload }) => encodeFrame(type, flags, stream, payload));
      let rest = Buffer.concat([PREFACE, ...encoded]);
      for (const cut of cuts) {
        reader.read(rest.subarray(0, cut));
        rest = rest.subarray(cut);
      }
      reader.read(rest);

      const expected = sent.map(({ type, flags, stream, payload }) => [type, flags, stream, latin1(payload)]);
      expect(frames).toEqual(expected);
      expect([reader.frames, reader.isMidFrame]).toEqual([sent.length, false]);
    }),
  );
});

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

test("the reserved bit of a stream's number means nothing", () => {
  const { reader, frames } = setUp();
  reader.read(Buffer.concat([PREFACE, Buffer.from("000000080080000003", "hex")]));
  expect(frames).toEqual([[8, 0, 3, ""]]);
});

describe("in the middle of a frame it is", () => {
  test.each([
    ["after half a preface", PREFACE.subarray(0, 12), true],
    ["after a preface", PREFACE, false],
    ["after a byte of a head", Buffer.concat([PREFACE, SETTINGS.subarray(0, 1)]), true],
    ["after a head", Buffer.concat([PREFACE, SETTINGS.subarray(0, 9)]), true],
    ["after a frame", Buffer.concat([PREFACE, SETTINGS]), false],
  ])("%s: %p", (_, bytes, isMidFrame) => {
    const { reader } = setUp();
    reader.read(bytes);
    expect(reader.isMidFrame).toBe(isMidFrame);
  });
});

describe("the connection ends", () => {
  test.each([
    ["for a preface that is none", Buffer.from("GET / HTTP/1.1\r\n")],
    ["for a preface that is wrong in its last byte", Buffer.concat([PREFACE.subarray(0, -1), Buffer.from("!")])],
    ["for a first byte that is none of a preface", Buffer.from("\x16")],
  ])("%s", (_, bytes) => {
    expect(codeOf(() => setUp().reader.read(bytes))).toBe(ErrorCode.protocol);
  });

  test("for a preface that turns out to be none in its second piece", () => {
    const { reader } = setUp();
    reader.read(PREFACE.subarray(0, 20));
    expect(codeOf(() => reader.read(Buffer.from("none")))).toBe(ErrorCode.protocol);
  });

  test("for a frame over the limit, before any of it has come, and not for one of the limit", () => {
    const { reader } = setUp();
    reader.read(PREFACE);
    reader.read(encodeFrame(0xee, 0, 0, Buffer.alloc(16_384)));
    expect(reader.frames).toBe(1);
    expect(codeOf(() => reader.read(Buffer.from("004001ee0000000000", "hex")))).toBe(ErrorCode.frameSize);
  });
});

test("once stopped, also by a frame, it reads no further", () => {
  const seen: number[] = [];
  const reader = new FrameReader((type) => {
    seen.push(type);
    if (type === 6) reader.stop();
  });
  const frames = [4, 6, 8].map((type) => encodeFrame(type, 0, 0, Buffer.alloc(0)));
  reader.read(Buffer.concat([PREFACE, ...frames, SETTINGS.subarray(0, 3)]));
  reader.read(encodeFrame(9, 0, 0, Buffer.alloc(0)));

  expect(seen).toEqual([4, 6]);
  expect(reader.isMidFrame).toBe(false);
});

test("what waits for its rest does not hold on to what came with it", () => {
  const chunk = Buffer.concat([PREFACE, SETTINGS, SETTINGS.subarray(0, 10)]);
  const { reader, frames } = setUp();
  reader.read(chunk);
  chunk.fill(0xff);
  reader.read(SETTINGS.subarray(10));

  expect(frames).toEqual([
    [4, 0, 0, "\0".repeat(6)],
    [4, 0, 0, "\0".repeat(6)],
  ]);
});
