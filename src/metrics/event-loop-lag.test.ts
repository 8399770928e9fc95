import { expect, test } from "bun:test";
import type { Clock } from "../base/clock.ts";
import { SimulatedTime } from "../testing/simulated-time.ts";
import { createEventLoopLag } from "./event-loop-lag.ts";

function start() {
  const time = new SimulatedTime();
  let lateMs = 0;
  // The loop stands still for a while after each timer is due: the clock has moved on when the task runs.
  const clock: Clock = { wallUs: () => 0, monotonicMs: () => time.monotonicMs() + lateMs };
  const lag = createEventLoopLag(clock, time);
  const stall = (ms: number): void => {
    lateMs += ms;
    time.advance(500);
  };
  return { time, lag, stall };
}

test("an idle loop has no lag", () => {
  const { time, lag } = start();
  time.advance(60_000);
  expect([lag.lastMs, lag.worstMs]).toEqual([0, 0]);
});

test("a stall is the last sample, then the worst of a minute, then forgotten", () => {
  const { time, lag, stall } = start();
  time.advance(5_000);
  stall(250);
  expect([lag.lastMs, lag.worstMs]).toEqual([250, 250]);
  time.advance(1_000);
  expect([lag.lastMs, lag.worstMs]).toEqual([0, 250]);
  time.advance(60_000);
  expect(lag.worstMs).toBe(0);
});

test("nothing is left running after the end", () => {
  const { time, lag } = start();
  time.advance(1_200);
  lag[Symbol.dispose]();
  expect(time.pending).toBe(0);
});
