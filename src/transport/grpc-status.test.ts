import { expect, test } from "bun:test";
import { boundText, percentEncode, STATUS_TEXT_MAX_BYTES } from "./grpc-status.ts";

test.each([
  ["", ""],
  ["plain text, 100 %", "plain text, 100 %"],
  ["\ud800 alone", "\ufffd alone"],
  ["tail \udc00", "tail \ufffd"],
  ["pair \ud83d\ude00", "pair \ud83d\ude00"],
])("the text %p goes out as %p", (text, expected) => {
  expect(boundText(text)).toBe(expected);
});

test.each(["a", "%", " ", '"', "\n", "é", "€", "😀", "\ud800"])(
  "a long text of %p is cut to the limit as the header will have it, between characters",
  (character) => {
    const text = boundText(character.repeat(10_000));

    const encoded = percentEncode(text).length;
    expect(encoded).toBeLessThanOrEqual(STATUS_TEXT_MAX_BYTES);
    expect(encoded).toBeGreaterThan(STATUS_TEXT_MAX_BYTES - 12);
    expect(text.isWellFormed()).toBe(true);
  },
);

test.each([
  ['plain text, "quoted"', 'plain text, "quoted"'],
  ["100 %", "100 %25"],
  ["a\r\nb\0", "a%0D%0Ab%00"],
  ["é😀", "%C3%A9%F0%9F%98%80"],
  [" edges ", "%20edges%20"],
  ["\x7f", "%7F"],
])("%p is %p in the header, and comes back as it was", (text, expected) => {
  expect(percentEncode(text)).toBe(expected);
  expect(decodeURIComponent(expected)).toBe(text);
});
