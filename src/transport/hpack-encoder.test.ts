import { expect, test } from "bun:test";
import fc from "fast-check";
import { HpackDecoder } from "./hpack-decoder.ts";
import { encodeFields } from "./hpack-encoder.ts";
import { STATIC_FIELDS } from "./hpack-tables.ts";

const decode = (block: Uint8Array) =>
  new HpackDecoder(2 ** 24).decode(block)?.map(({ name, value }) => [name, value] as const);

test("a field of the static table is one byte", () => {
  expect(encodeFields([[":status", "200"]])).toEqual(Buffer.from([0x88]));
  for (const field of STATIC_FIELDS) expect(encodeFields([field])).toHaveLength(1);
});

test("a name of the static table is not spelled out", () => {
  expect(encodeFields([[":status", "415"]])).toEqual(Buffer.from([0x08, 3, ...Buffer.from("415")]));
});

test("a field of the table's last names has an index of two bytes", () => {
  expect(encodeFields([["www-authenticate", "x"]])).toEqual(Buffer.from([0x0f, 61 - 15, 1, 0x78]));
});

test("nothing is to be kept by the other side", () => {
  const decoder = new HpackDecoder(2 ** 24);
  decoder.decode(encodeFields([["grpc-status", "0"]]));
  expect(() => decoder.decode(Buffer.from([0xbe]))).toThrow("an index that is not in the table");
});

test.each([126, 127, 128, 254, 255, 16_510, 16_511, 20_000, 2_100_000])("a value of %i bytes comes back", (bytes) => {
  const fields: [string, string][] = [["x", "v".repeat(bytes)]];
  expect(decode(encodeFields(fields))).toEqual(fields);
});

test("whatever was encoded is decoded to the same", () => {
  const name = fc.oneof(fc.constantFrom(...STATIC_FIELDS.map(([of]) => of)), fc.stringMatching(/^[a-z0-9-]{1,200}$/));
  const value = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 20 }), (fields) => {
      expect(decode(encodeFields(fields))).toEqual(fields);
    }),
  );
});
