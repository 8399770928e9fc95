import { expect, test } from "bun:test";
import { createLineSink } from "./log-sink.ts";

/** A stream whose reader takes nothing until told to. */
function stalledStream() {
  const done: (() => void)[] = [];
  const texts: string[] = [];
  const write = (text: string, callback: () => void): boolean => {
    texts.push(text);
    done.push(callback);
    return false;
  };
  const read = (): void => {
    for (const callback of done.splice(0)) callback();
  };
  return { write, read, texts };
}

test("lines go out one by one, each with its end", () => {
  const stream = stalledStream();
  const sink = createLineSink(stream, () => {});
  sink("a");
  sink("b");
  expect(stream.texts).toEqual(["a\n", "b\n"]);
});

test("a reader that has stopped costs lines, not memory, and is told how many when it is back", () => {
  const stream = stalledStream();
  const drops: number[] = [];
  const sink = createLineSink(stream, (lines) => drops.push(lines));
  for (let i = 0; i < 10_000; i++) sink("x".repeat(1_023));
  const kept = stream.texts.length;
  expect(kept * 1_024).toBeLessThan(1.1 * 1_024 * 1_024);
  stream.read();
  expect(drops).toEqual([10_000 - kept]);
  sink("again");
  stream.read();
  expect([stream.texts.at(-1), drops.length]).toEqual(["again\n", 1]);
});
