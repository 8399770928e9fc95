import { expect, test } from "bun:test";
import { medianOf, quantilesOf } from "./quantiles.ts";

test("a quantile is a value that was measured, by nearest rank", () => {
  const values = Array.from({ length: 200 }, (_, i) => 200 - i);
  expect(quantilesOf(values)).toEqual({ count: 200, p50: 100, p99: 198, max: 200 });
});

test("a median is the value in the middle, or the mean of the two there", () => {
  expect(medianOf([3, 1, 2])).toBe(2);
  expect(medianOf([4, 1, 3, 2])).toBe(2.5);
  expect(medianOf([])).toBeNaN();
});
