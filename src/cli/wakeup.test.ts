import { expect, test } from "bun:test";
import { SimulatedTime } from "../testing/simulated-time.ts";
import { Wakeup } from "./wakeup.ts";

/** Whether the sleep is over by now. */
async function isOver(sleep: Promise<void>): Promise<boolean> {
  return await Promise.race([sleep.then(() => true), Bun.sleep(0).then(() => false)]);
}

test("a sleep ends after its time, or when it is woken, and leaves no timer", async () => {
  const time = new SimulatedTime();
  const wakeup = new Wakeup(time);
  const whole = wakeup.sleep(1_000);
  time.advance(999);
  expect(await isOver(whole)).toBe(false);
  time.advance(1);
  expect(await isOver(whole)).toBe(true);
  const cut = wakeup.sleep(1_000);
  wakeup.up();
  expect([await isOver(cut), time.pending]).toEqual([true, 0]);
});

test("a call that comes before the sleep ends it at once, and that one alone", async () => {
  const time = new SimulatedTime();
  const wakeup = new Wakeup(time);
  wakeup.up();
  wakeup.up();
  expect(await isOver(wakeup.sleep(1_000))).toBe(true);
  expect(await isOver(wakeup.sleep(1_000))).toBe(false);
});
