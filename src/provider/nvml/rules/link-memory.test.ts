import { expect, test } from "bun:test";
import { nsOf } from "../../../testing/nvml-script.ts";
import { DEFAULT_THRESHOLDS } from "../thresholds.ts";
import { LINKS_MAX, type LinkMemory, rememberLinks } from "./link-memory.ts";

const WINDOW_MS = DEFAULT_THRESHOLDS.linkErrorWindowMs;

/** The errors within the window after these readings of one link: when, and what its counter said. */
function recentAfter(...readings: readonly (readonly [ms: number, errors: bigint | undefined])[]) {
  let memory: LinkMemory = new Map();
  for (const [ms, errors] of readings) {
    memory = rememberLinks(memory, [{ link: 3, active: true, errors }], nsOf(ms), DEFAULT_THRESHOLDS);
  }
  return memory.get(3)?.recent;
}

test("a counter is new from its first reading on: what it says then is from before", () => {
  expect(recentAfter([0, 5_000n])).toBe(0);
  expect(recentAfter([0, 5_000n], [500, 5_007n])).toBe(7);
});

test("a counter that fell was reset, and counts from there", () => {
  expect(recentAfter([0, 50n], [500, 60n], [1_000, 2n])).toBe(0);
  expect(recentAfter([0, 50n], [500, 60n], [1_000, 2n], [1_500, 9n])).toBe(7);
  expect(recentAfter([0, 50n], [500, 2n], [1_000, 60n])).toBe(58);
});

test("a window ends, and the next one begins with the reading before: no error falls between two", () => {
  expect(recentAfter([0, 0n], [WINDOW_MS, 9n])).toBe(9);
  expect(recentAfter([0, 0n], [WINDOW_MS, 9n], [WINDOW_MS + 500, 109n])).toBe(100);
  expect(recentAfter([0, 0n], [WINDOW_MS, 9n], [WINDOW_MS + 500, 109n], [2 * WINDOW_MS, 110n])).toBe(101);
  expect(recentAfter([0, 0n], [WINDOW_MS, 9n], [WINDOW_MS + 500, 109n], [2 * WINDOW_MS + 1, 110n])).toBe(1);
});

test("of errors in a time without readings that is longer than a window, a window's part counts", () => {
  expect(recentAfter([0, 0n], [4 * WINDOW_MS, 200n])).toBe(50);
  expect(recentAfter([0, 0n], [4 * WINDOW_MS, 200n], [4 * WINDOW_MS + 500, 203n])).toBe(3);
});

test("a reading without a counter changes nothing, and a link that no GPU has is not remembered", () => {
  expect(recentAfter([0, 0n], [500, 9n], [1_000, undefined], [1_500, 10n])).toBe(10);
  const odd = [-1, LINKS_MAX].map((link) => ({ link, active: true, errors: 1n }));
  expect(rememberLinks(new Map(), odd, nsOf(0), DEFAULT_THRESHOLDS).size).toBe(0);
});
