import { expect, test } from "bun:test";
import { Code, type CodeName, StatusError } from "../base/status-error.ts";
import { boundText, codeName, STATUS_TEXT_MAX_BYTES, toWireStatus } from "./grpc-status.ts";

test("every code keeps its name on the way out and back", () => {
  for (const name of Object.keys(Code) as CodeName[]) {
    expect(codeName(toWireStatus(new StatusError(name, "")).code)).toBe(name);
  }
});

test("a number that is no code reads as UNKNOWN", () => {
  for (const code of [undefined, -1, 17, 1.5, Number.NaN]) expect(codeName(code)).toBe("UNKNOWN");
});

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

    const encoded = encodeURI(text).length;
    expect(encoded).toBeLessThanOrEqual(STATUS_TEXT_MAX_BYTES);
    expect(encoded).toBeGreaterThan(STATUS_TEXT_MAX_BYTES - 12);
    expect(text.isWellFormed()).toBe(true);
  },
);
