import { expect, test } from "bun:test";
import { formatAge } from "./age.ts";

const S = 1_000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;
const Y = 365 * D;

/** Every boundary of kubectl's, with the last moment before it. */
test.each([
  [0, "0s"],
  [S - 1, "0s"],
  [70 * S, "70s"],
  [2 * M - 1, "119s"],
  [2 * M, "2m"],
  [2 * M + S, "2m1s"],
  [10 * M - 1, "9m59s"],
  [10 * M + S, "10m"],
  [3 * H - 1, "179m"],
  [3 * H, "3h"],
  [3 * H + M, "3h1m"],
  [8 * H - 1, "7h59m"],
  [8 * H + 59 * M, "8h"],
  [2 * D - 1, "47h"],
  [2 * D, "2d"],
  [2 * D + H, "2d1h"],
  [8 * D - 1, "7d23h"],
  [8 * D + 23 * H, "8d"],
  [2 * Y - 1, "729d"],
  [2 * Y + 23 * H, "2y"],
  [2 * Y + D, "2y1d"],
  [8 * Y - 1, "7y364d"],
  [8 * Y + 364 * D, "8y"],
  [-S, "0s"],
  [-D, "0s"],
])("%d ms ago is %s", (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});
