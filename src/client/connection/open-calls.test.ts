import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { getEventListeners } from "node:events";
import type { ApiError } from "../errors.ts";
import { OpenCalls } from "./open-calls.ts";

test("calls that share a signal listen to it once, and not any longer than the last of them lasts", () => {
  const { signal } = new AbortController();
  const listeners = () => getEventListeners(signal, "abort").length;
  const calls = new OpenCalls();
  const scopes = Array.from({ length: 50 }, (_, i) => calls.enter(`m${i}`, signal));
  expect(listeners()).toBe(1);
  for (const scope of scopes) scope[Symbol.dispose]();
  expect(listeners()).toBe(0);
  const again = calls.enter("again", signal);
  expect(listeners()).toBe(1);
  again[Symbol.dispose]();
  expect(listeners()).toBe(0);
});

test("a signal ends the calls that have it, and no other; the end of the connection ends all", () => {
  const controller = new AbortController();
  const { signal } = controller;
  const calls = new OpenCalls();
  const over = calls.enter("over", signal);
  over[Symbol.dispose]();
  const [one, other] = [calls.enter("one", signal), calls.enter("other", undefined)];
  const reason = new Error("stop");
  controller.abort(reason);
  expect([over.signal.aborted, one.signal.aborted, other.signal.aborted]).toEqual([false, true, false]);
  expect(one.signal.reason).toMatchObject({ code: "CANCELLED", method: "one", cause: reason });
  calls.close();
  expect((other.signal.reason as ApiError).message).toBe("CANCELLED: the connection was closed (other)");
  expect((one.signal.reason as ApiError).method).toBe("one");
  expect(() => calls.enter("late", undefined)).toThrow("the connection was closed");
});

test("what is no signal is refused, and nothing is left of the call", () => {
  const calls = new OpenCalls();
  const controllers = () => {
    Bun.gc(true);
    return heapStats().objectTypeCounts["AbortController"] ?? 0;
  };
  const before = controllers();
  for (let i = 0; i < 1_000; i++) {
    const enter = () => calls.enter("m", {} as AbortSignal);
    expect(enter).toThrow("INVALID_ARGUMENT: signal: it is not an AbortSignal (m)");
  }
  expect(controllers() - before).toBeLessThan(100);
  calls.close();
});
