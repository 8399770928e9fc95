import { describe, expect, test } from "bun:test";
import { encodeFields } from "./hpack-encoder.ts";
import { ConnectionError, ErrorCode, Flag } from "./http2-frames.ts";
import { HeaderReader, withoutPadding } from "./http2-header-reader.ts";

const BLOCK = encodeFields([
  [":path", "/p.S/M"],
  ["te", "trailers"],
]);
const FIELDS = [
  [":path", "/p.S/M"],
  ["te", "trailers"],
];
const { endHeaders, endStream, padded, priority } = Flag;
const PRIORITY_OF_7 = Buffer.from([0x80, 0, 0, 7, 16]);
const concat = (...parts: (Uint8Array | readonly number[])[]) => Buffer.concat(parts.map((part) => Buffer.from(part)));

function decoded(reader: HeaderReader, block: ReturnType<HeaderReader["headers"]>) {
  return block && reader.decode(block)?.map(({ name, value }) => [name, value]);
}
const codeOf = (run: () => void) => {
  try {
    run();
  } catch (error) {
    return error instanceof ConnectionError ? error.code : error;
  }
  return undefined;
};

describe("a header block", () => {
  test.each([
    ["in one frame", 0, BLOCK],
    ["behind a priority", priority, concat(PRIORITY_OF_7, BLOCK)],
    ["with padding", padded, concat([3], BLOCK, [0, 0, 0])],
    ["with a padding of nothing", padded, concat([0], BLOCK)],
    ["with padding and a priority", padded | priority, concat([2], PRIORITY_OF_7, BLOCK, [1, 2])],
  ])("%s is read", (_, flags, payload) => {
    const reader = new HeaderReader(1_000);
    const block = reader.headers(5, flags | endHeaders | endStream, payload);

    expect([block?.stream, block?.endStream, block?.dependsOnItself]).toEqual([5, true, false]);
    expect(decoded(reader, block)).toEqual(FIELDS);
    expect(reader.isMidBlock).toBe(false);
  });

  test("in several frames is read at the last of them; the first says whether the stream ends", () => {
    const reader = new HeaderReader(1_000);
    const first = Buffer.from(BLOCK.subarray(0, 4));
    expect(reader.headers(5, endStream, first)).toBeUndefined();
    expect(reader.isMidBlock).toBe(true);
    expect(reader.continuation(5, 0, BLOCK.subarray(4, 5))).toBeUndefined();
    const block = reader.continuation(5, endHeaders, BLOCK.subarray(5));

    expect(block?.endStream).toBe(true);
    expect(decoded(reader, block)).toEqual(FIELDS);
    expect(reader.isMidBlock).toBe(false);
  });

  test("that waits for its rest does not hold on to what came with it", () => {
    const reader = new HeaderReader(1_000);
    const chunk = Buffer.from(BLOCK);
    reader.headers(5, 0, chunk.subarray(0, 4));
    reader.continuation(5, 0, chunk.subarray(4, 6));
    chunk.fill(0xff);

    expect(decoded(reader, reader.continuation(5, endHeaders, BLOCK.subarray(6)))).toEqual(FIELDS);
  });

  test("may depend on itself, for the connection to say what follows", () => {
    const block = new HeaderReader(1_000).headers(7, priority | endHeaders, concat(PRIORITY_OF_7, BLOCK));
    expect(block?.dependsOnItself).toBe(true);
  });

  test("whose fields are over the limit has none", () => {
    const reader = new HeaderReader(80);
    expect(decoded(reader, reader.headers(5, endHeaders, BLOCK))).toBeUndefined();
  });
});

describe("the connection ends for", () => {
  const { protocol, frameSize, compression, enhanceYourCalm } = ErrorCode;
  const read = (flags: number, payload: Uint8Array) => () => {
    const reader = new HeaderReader(1_000);
    decoded(reader, reader.headers(5, flags | endHeaders, Buffer.from(payload)));
  };

  test.each([
    ["padding longer than the frame", protocol, read(padded, concat([BLOCK.length + 1], BLOCK))],
    ["padding as long as the frame", protocol, read(padded, concat([1]))],
    ["padding that is not there", protocol, read(padded, Buffer.alloc(0))],
    ["a priority cut short", frameSize, read(priority, Buffer.alloc(4))],
    ["a priority cut short by padding", frameSize, read(priority | padded, concat([1], Buffer.alloc(5)))],
    ["a block that is not HPACK", compression, read(0, Buffer.from([0x80]))],
  ])("%s", (_, code, run) => {
    expect(codeOf(run)).toBe(code);
  });

  test("a CONTINUATION of nothing, of what is complete, or of another stream", () => {
    const reader = new HeaderReader(1_000);
    expect(codeOf(() => reader.continuation(5, endHeaders, BLOCK))).toBe(protocol);
    reader.headers(5, endHeaders, BLOCK);
    expect(codeOf(() => reader.continuation(5, endHeaders, BLOCK))).toBe(protocol);
    reader.headers(7, 0, BLOCK);
    expect(codeOf(() => reader.continuation(9, endHeaders, BLOCK))).toBe(protocol);
  });

  test("a 17th frame of a block, however short", () => {
    const reader = new HeaderReader(1_000);
    reader.headers(5, 0, Buffer.alloc(0));
    for (let i = 0; i < 15; i++) reader.continuation(5, 0, Buffer.alloc(0));
    expect(codeOf(() => reader.continuation(5, 0, Buffer.alloc(0)))).toBe(enhanceYourCalm);
  });

  test("a block of more than 64 KiB, and not for one of 64 KiB", () => {
    const reader = new HeaderReader(1_000);
    const quarter = Buffer.alloc(16_384, encodeFields([[":method", "GET"]]));
    reader.headers(5, 0, quarter);
    for (let i = 0; i < 3; i++) reader.continuation(5, 0, quarter);
    expect(codeOf(() => reader.continuation(5, 0, Buffer.alloc(1)))).toBe(enhanceYourCalm);
  });
});

test.each([
  [
    [0, 1, 2],
    [1, 2],
  ],
  [[1, 1, 2], [1]],
  [[2, 1, 2], []],
  [[0], []],
])("the payload %p is %p without its padding", (payload, rest) => {
  expect([...withoutPadding(Buffer.from(payload))]).toEqual(rest);
});
