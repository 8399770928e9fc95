import { expect, test } from "bun:test";
import type { Clock, Scheduler } from "../base/clock.ts";
import { createStallGuard } from "./grpc-stall-guard.ts";

/** Time that moves by hand, one timer after the other. */
function createManualTime() {
  let nowMs = 0;
  let timers: { atMs: number; task: () => void }[] = [];
  const clock: Clock = { wallUs: () => 0, monotonicMs: () => nowMs };
  const scheduler: Scheduler = {
    defer: (task) => task(),
    setTimer(task, delayMs) {
      const timer = { atMs: nowMs + delayMs, task };
      timers.push(timer);
      const cancel = () => {
        timers = timers.filter((other) => other !== timer);
      };
      return { [Symbol.dispose]: cancel };
    },
  };
  const advance = (ms: number) => {
    const endMs = nowMs + ms;
    for (;;) {
      const next = timers.filter((timer) => timer.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      timers = timers.filter((other) => other !== next);
      nowMs = next.atMs;
      next.task();
    }
    nowMs = endMs;
  };
  return { clock, scheduler, advance, pending: () => timers.length };
}

interface Call {
  destroyed: number;
}

const createCall = (): Call => ({ destroyed: 0 });
const createGuard = (time: ReturnType<typeof createManualTime>) =>
  createStallGuard<Call>(time.clock, time.scheduler, (call) => void call.destroyed++);

test("a call that does not leave is destroyed once, after its own grace", () => {
  const time = createManualTime();
  using guard = createGuard(time);
  const [short, long] = [createCall(), createCall()];

  guard.watch(long, 30_000);
  guard.watch(short, 5_000);
  time.advance(4_999);
  expect([short.destroyed, long.destroyed]).toEqual([0, 0]);
  time.advance(501);
  expect([short.destroyed, long.destroyed]).toEqual([1, 0]);
  time.advance(60_000);
  expect([short.destroyed, long.destroyed]).toEqual([1, 1]);
});

test("a call that leaves in time is left alone, and no timer stays behind", () => {
  const time = createManualTime();
  using guard = createGuard(time);
  const call = createCall();

  guard.watch(call, 5_000);
  guard.unwatch(call);
  time.advance(60_000);

  expect(call.destroyed).toBe(0);
  expect(time.pending()).toBe(0);
});

test("a disposed guard destroys nothing", () => {
  const time = createManualTime();
  const guard = createGuard(time);
  const call = createCall();

  guard.watch(call, 5_000);
  guard[Symbol.dispose]();
  time.advance(60_000);

  expect(call.destroyed).toBe(0);
});
