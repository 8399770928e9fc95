import { describe, expect, test } from "bun:test";
import { afterLateCall, afterRound, interrupted, type Pace, paceLimits, STEADY_PACE } from "./pace.ts";

const LIMITS = paceLimits(500);
const late = (pace: Pace, ...times: readonly number[]) =>
  times.reduce((now, ms) => afterLateCall(now, LIMITS, ms), pace);
const rounds = (pace: Pace, ...times: readonly number[]) =>
  times.reduce((now, ms) => afterRound(now, LIMITS, ms), pace);

describe("a driver is slow", () => {
  test("with the third late call within a minute, and not with the second", () => {
    expect(late(STEADY_PACE, 0, 30_000).isSlow).toBe(false);
    expect(late(STEADY_PACE, 0, 30_000, 59_999).isSlow).toBe(true);
    expect(late(STEADY_PACE, 0, 30_000, 60_000).isSlow).toBe(false);
    expect(late(STEADY_PACE, 0, 40_000, 80_000, 99_999).isSlow).toBe(true);
  });

  test("with three in a row, however long the period", () => {
    const limits = paceLimits(60_000);
    const pace = [0, 60_000, 120_000].reduce((now, ms) => afterLateCall(now, limits, ms), STEADY_PACE);
    expect(pace.isSlow).toBe(true);
  });

  test("until rounds have come in time for 10 s", () => {
    const slow = late(STEADY_PACE, 0, 1_000, 2_000);
    expect(rounds(slow, 2_000, 11_999).isSlow).toBe(true);
    expect(rounds(slow, 2_000, 12_000).isSlow).toBe(false);
    // Without rounds nothing is in time, and a late call or another host process begins anew.
    expect(rounds(slow, 60_000).isSlow).toBe(true);
    expect(rounds(late(rounds(slow, 2_000), 11_000), 12_000, 20_999).isSlow).toBe(true);
    expect(rounds(interrupted(rounds(slow, 2_000)), 12_000, 21_999).isSlow).toBe(true);
    expect(rounds(interrupted(rounds(slow, 2_000)), 12_000, 22_000).isSlow).toBe(false);
  });

  test("again with the next late call, while the others are within a minute", () => {
    const over = rounds(late(STEADY_PACE, 0, 1_000, 2_000), 2_000, 12_000);
    expect(late(over, 13_000).isSlow).toBe(true);
    expect(late(over, 70_000).isSlow).toBe(false);
  });
});
