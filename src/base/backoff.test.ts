import { expect, test } from "bun:test";
import { backoffMs } from "./backoff.ts";

const LIMITS = { firstMs: 1_000, maxMs: 60_000 };

test("waits double as long after each failure, up to the maximum", () => {
  const waits = [1, 2, 3, 6, 7, 2_000].map((failures) => backoffMs(failures, LIMITS, () => 1));
  expect(waits).toEqual([1_000, 2_000, 4_000, 32_000, 60_000, 60_000]);
});

test("leaves out up to a half of it by chance", () => {
  expect(backoffMs(3, LIMITS, () => 0)).toBe(2_000);
  expect(backoffMs(3, LIMITS, () => 0.5)).toBe(3_000);
});
