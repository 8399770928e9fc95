import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeHuffman } from "./hpack-huffman.ts";
import { HUFFMAN_LENGTHS } from "./hpack-tables.ts";

/** The code of each byte as bits: canonical, shorter ones first and those of one length in the order of the bytes. */
const CODES = codesOf(HUFFMAN_LENGTHS);

function codesOf(lengths: readonly number[]): readonly string[] {
  const codes: string[] = [];
  let next = 0;
  for (let length = 1; length <= 30; length++) {
    next *= 2;
    for (const [byte, ofByte] of lengths.entries()) {
      if (ofByte === length) codes[byte] = (next++).toString(2).padStart(length, "0");
    }
  }
  return codes;
}

const packed = (bits: string) =>
  Buffer.from((bits.match(/.{1,8}/g) ?? []).map((byte) => Number.parseInt(byte.padEnd(8, "1"), 2)));
const bitsOf = (text: string) => [...Buffer.from(text, "latin1")].map((byte) => CODES[byte]).join("");
const decode = (bytes: Uint8Array) => decodeHuffman(bytes, 0, bytes.length);

test("the lengths leave room for the end-of-string code, 30 ones, and for nothing else", () => {
  expect(HUFFMAN_LENGTHS).toHaveLength(256);
  const taken = HUFFMAN_LENGTHS.reduce((sum, length) => sum + 2 ** (30 - length), 0);
  expect(2 ** 30 - taken).toBe(1);
});

// RFC 7541, appendix B, one of each length that codes have and the last of the longest.
test.each([
  [0x30, "0", 5],
  [0x74, "9", 5],
  [0x20, "14", 6],
  [0x75, "2d", 6],
  [0x3a, "5c", 7],
  [0x58, "fc", 8],
  [0x21, "3f8", 10],
  [0x7c, "7fc", 11],
  [0x23, "ffa", 12],
  [0x00, "1ff8", 13],
  [0x7e, "1ffd", 13],
  [0x7d, "3ffd", 14],
  [0x7b, "7ffe", 15],
  [0x5c, "7fff0", 19],
  [0x80, "fffe6", 20],
  [0xa1, "1fffdd", 21],
  [0x81, "3fffd2", 22],
  [0x01, "7fffd8", 23],
  [0x09, "ffffea", 24],
  [0xc7, "1ffffec", 25],
  [0xc0, "3ffffe0", 26],
  [0xff, "3ffffee", 26],
  [0xcb, "7ffffde", 27],
  [0x02, "fffffe2", 28],
  [0xf9, "ffffffe", 28],
  [0x0a, "3ffffffc", 30],
  [0x16, "3ffffffe", 30],
])("the byte %i has the code that the RFC gives it", (byte, code, length) => {
  const bits = Number.parseInt(code, 16).toString(2).padStart(length, "0");
  expect(decode(packed(bits))).toBe(String.fromCharCode(byte));
});

test("a text is what was coded, whatever its bytes", () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");
  expect(decode(packed(bitsOf(bytes)))).toBe(bytes);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (raw) => {
      const text = Buffer.from(raw).toString("latin1");
      expect(decode(packed(bitsOf(text)))).toBe(text);
    }),
  );
});

test("a part of a block is read from where it begins to where it ends", () => {
  const coded = packed(bitsOf("www.example.com"));
  const within = Buffer.concat([Buffer.alloc(3, 0xff), coded, Buffer.alloc(3)]);
  expect(decodeHuffman(within, 3, 3 + coded.length)).toBe("www.example.com");
});

describe("no text is", () => {
  const padded = (bits: string) => packed(bits.padEnd(Math.ceil(bits.length / 8) * 8, "1"));

  test.each([
    ["a padding with a zero in it", packed("00000110")],
    ["a padding of eight ones", Buffer.concat([padded(bitsOf("00000000")), Buffer.from([0xff])])],
    ["nothing but a padding of eight ones", Buffer.from([0xff])],
    ["the end-of-string code at the end", padded("1".repeat(30))],
    ["the end-of-string code in the middle", padded(`${bitsOf("a")}${"1".repeat(30)}${bitsOf("a")}`)],
    ["a code cut short", packed(bitsOf("\n").slice(0, 24))],
  ])("%s", (_, bytes) => {
    expect(decode(bytes)).toBeUndefined();
  });
});
