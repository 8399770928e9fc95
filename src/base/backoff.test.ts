import { expect, test } from "bun:test";
import { backoffMs, fullJitterMs } from "./backoff.ts";

const LIMITS = { firstMs: 1_000, maxMs: 60_000 };

test("waits double as long after each failure, up to the maximum", () => {
  const waits = [1, 2, 3, 6, 7, 2_000].map((failures) => backoffMs(failures, LIMITS, () => 1));
  expect(waits).toEqual([1_000, 2_000, 4_000, 32_000, 60_000, 60_000]);
});

test("leaves out up to a half of it by chance", () => {
  expect(backoffMs(3, LIMITS, () => 0)).toBe(2_000);
  expect(backoffMs(3, LIMITS, () => 0.5)).toBe(3_000);
});

test("with full jitter leaves out any part of it", () => {
  expect([0, 0.25, 1].map((chance) => fullJitterMs(3, LIMITS, () => chance))).toEqual([0, 1_000, 4_000]);
  expect(fullJitterMs(2_000, LIMITS, () => 1)).toBe(60_000);
});
