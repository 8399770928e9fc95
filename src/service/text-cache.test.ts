import { expect, test } from "bun:test";
import { Prng } from "../testing/prng.ts";
import { TextCache } from "./text-cache.ts";

const read = (cache: TextCache, text: string) => cache.read(Buffer.from(text), 0, Buffer.byteLength(text));

test("text is what the bytes say, from the start to the end that are asked for", () => {
  const cache = new TextCache();
  const bytes = Buffer.from("--gpu-0 Memory--");
  expect(cache.read(bytes, 2, 7)).toBe("gpu-0");
  expect(cache.read(bytes, 8, 14)).toBe("Memory");
  expect(cache.read(bytes, 3, 3)).toBe("");
  expect(cache.read(bytes.subarray(8), 0, 6)).toBe("Memory");
});

test("any text of any length, again and again, however many share their places", () => {
  const cache = new TextCache();
  const prng = new Prng(42);
  const texts = Array.from({ length: 5_000 }, () =>
    String.fromCharCode(...Array.from({ length: prng.below(90) }, () => prng.below(128))),
  );
  for (let round = 0; round < 3; round++) {
    for (const text of texts) if (read(cache, text) !== text) throw new Error(`${JSON.stringify(text)} was read wrong`);
  }
  // The same characters in another order, and one that is longer by a character of value 0.
  for (const text of ["ab", "ba", "a\0", "a", "\0", ""]) expect(read(cache, text)).toBe(text);
});

test("what is not ASCII is not read, wherever it stands", () => {
  const cache = new TextCache();
  for (const text of ["é", "gpu-é", "é-gpu", `${"x".repeat(100)}é`]) expect(read(cache, text)).toBeUndefined();
});

test("what the bytes become later changes no text", () => {
  const cache = new TextCache();
  const bytes = Buffer.from("gpu-0");
  const text = cache.read(bytes, 0, 5);
  bytes.fill("x");
  expect([text, read(cache, "gpu-0"), cache.read(bytes, 0, 5)]).toEqual(["gpu-0", "gpu-0", "xxxxx"]);
});
