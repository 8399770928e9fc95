import { expect, test } from "bun:test";
import { getEventListeners } from "node:events";
import { checkSignal, onAbort } from "./abort.ts";

const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

test("whatever waits for one signal listens to it once, and no longer than the last of it", () => {
  const { signal } = new AbortController();
  const callback = () => {};
  const following = Array.from({ length: 50 }, () => onAbort(signal, callback));
  expect(listeners(signal)).toBe(1);
  for (const one of following.slice(1)) one[Symbol.dispose]();
  expect(listeners(signal)).toBe(1);
  following[0]?.[Symbol.dispose]();
  expect(listeners(signal)).toBe(0);
});

test("what was disposed does not count for those that came after it", () => {
  const stop = new AbortController();
  const first = onAbort(stop.signal, () => {});
  first[Symbol.dispose]();
  const called: string[] = [];
  using _ = onAbort(stop.signal, () => called.push("second"));
  first[Symbol.dispose]();
  expect(listeners(stop.signal)).toBe(1);
  stop.abort();
  expect(called).toEqual(["second"]);
});

test("an abort calls what is there, each once, but for what an earlier one has disposed", () => {
  const stop = new AbortController();
  const called: string[] = [];
  using _first = onAbort(stop.signal, () => {
    called.push("first");
    third[Symbol.dispose]();
  });
  using _second = onAbort(stop.signal, () => called.push("second"));
  const third = onAbort(stop.signal, () => called.push("third"));
  stop.abort();
  expect(called).toEqual(["first", "second"]);
});

test.each([null, 5, {}, { aborted: false }, new EventTarget()])("%p is no signal", (given) => {
  const check = () => checkSignal(given as AbortSignal, "s.S/M");
  expect(check).toThrow("INVALID_ARGUMENT: signal: it is not an AbortSignal (s.S/M)");
});

test("a signal of any class is one, and so is none", () => {
  class OtherSignal extends EventTarget {
    readonly aborted = false;
  }
  for (const given of [undefined, AbortSignal.abort(), new OtherSignal() as AbortSignal]) checkSignal(given);
});
