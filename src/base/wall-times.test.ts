import { expect, test } from "bun:test";
import { createWallTimes } from "./wall-times.ts";

test("an instant has one time on the wall clock, however the clocks are read, until that is set", () => {
  let [wallUs, monotonicMs] = [1_790_000_000_000_000, 5_000.25];
  const wallMsOf = createWallTimes({ wallUs: () => wallUs, monotonicMs: () => monotonicMs });
  const at = wallMsOf(1_000.5);
  expect(at).toBe(1_790_000_000_000 - 4_000);
  for (let i = 1; i <= 50; i++) {
    // Whole milliseconds of the one, and parts of the other.
    wallUs = 1_790_000_000_000_000 + Math.floor(i * 7.3) * 1_000;
    monotonicMs = 5_000.25 + i * 7.3;
    expect(wallMsOf(1_000.5)).toBe(at);
  }
  wallUs += 3_600_000_000;
  const later = wallMsOf(1_000.5);
  expect(Math.abs(later - at - 3_600_000)).toBeLessThanOrEqual(1);
  monotonicMs += 10;
  wallUs += 9_000;
  expect(wallMsOf(1_000.5)).toBe(later);
});
