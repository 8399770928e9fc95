import { describe, expect, test } from "bun:test";
import { systemClock, systemScheduler } from "./clock.ts";

describe("the system's time", () => {
  test("is whole microseconds on the wall and never goes back on the monotonic clock", () => {
    expect(Number.isSafeInteger(systemClock.wallUs())).toBe(true);
    expect(Math.abs(systemClock.wallUs() / 1_000 - Date.now())).toBeLessThan(10_000);
    const first = systemClock.monotonicMs();
    expect(systemClock.monotonicMs()).toBeGreaterThanOrEqual(first);
  });

  test("runs a timer once, and not at all where it was disposed", async () => {
    const ran: string[] = [];
    using _kept = systemScheduler.setTimer(() => ran.push("kept"), 1);
    systemScheduler.setTimer(() => ran.push("disposed"), 1)[Symbol.dispose]();
    await Bun.sleep(50);
    expect(ran).toEqual(["kept"]);
  });

  test("runs a deferred task after the work that is queued now", async () => {
    const order: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    systemScheduler.defer(() => {
      order.push("deferred");
      resolve();
    });
    queueMicrotask(() => order.push("queued"));
    order.push("now");
    await promise;
    expect(order).toEqual(["now", "queued", "deferred"]);
  });
});
