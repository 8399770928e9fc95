import { expect, test } from "bun:test";
import { SimulatedTime } from "../../testing/simulated-time.ts";
import { ReflectorBackoff } from "./reflector-backoff.ts";

function createBackoff(random: () => number) {
  const time = new SimulatedTime();
  return { time, backoff: new ReflectorBackoff(time, random) };
}

test("waits double from 0.8 s to 30 s, and each is by chance a part of that", () => {
  const { backoff } = createBackoff(() => 0.5);
  const waits = Array.from({ length: 9 }, () => backoff.next() * 2);
  expect(waits).toEqual([800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000]);
});

test("no wait is longer than the maximum after any number of failures", () => {
  const { backoff } = createBackoff(() => 0.999_999);
  for (let i = 0; i < 5_000; i++) expect(backoff.next()).toBeLessThan(30_000);
});

test("waits start small again two minutes after the last one was over", () => {
  const { time, backoff } = createBackoff(() => 0.5);
  for (let i = 0; i < 10; i++) backoff.next();
  time.advance(15_000 + 119_999);
  expect(backoff.next()).toBe(15_000);
  time.advance(15_000 + 120_000);
  expect(backoff.next()).toBe(400);
});
