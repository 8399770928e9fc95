import { expect, test } from "bun:test";
import { DURATION_MAX_MS, formatDuration, parseDurationMs } from "./duration.ts";

test.each([
  ["0", 0],
  ["30", 30_000],
  ["0.5", 500],
  ["500ms", 500],
  ["5s", 5_000],
  ["1m30s", 90_000],
  ["1.5h", 5_400_000],
  ["1h0m0.25s", 3_600_250],
  [".5s", 500],
  ["2.s", 2_000],
  ["1500us", 1.5],
  ["1500µs", 1.5],
  ["576h", DURATION_MAX_MS],
])("%p is read as %p milliseconds", (text, ms) => {
  expect(parseDurationMs(text)).toBeCloseTo(ms, 6);
});

test.each([
  "",
  " 5s",
  "5 s",
  "5x",
  "s",
  "-1s",
  "-5",
  "+5",
  "1e3",
  "0x10",
  "5s3",
  "1m30",
  "NaN",
  "Infinity",
  "577h",
  ".",
])("%p is no duration", (text) => {
  expect(parseDurationMs(text)).toBeUndefined();
});

test.each([0, 1, 500, 1_000, 30_000, 90_000, 3_600_000, 5_400_000, 3_661_500])(
  "%p milliseconds read back from their spelling",
  (ms) => {
    expect(parseDurationMs(formatDuration(ms))).toBe(ms);
  },
);

test("durations are spelt as people write them", () => {
  expect([0, 500, 30_000, 90_000, 3_600_000].map(formatDuration)).toEqual(["0s", "500ms", "30s", "1m30s", "1h"]);
});
