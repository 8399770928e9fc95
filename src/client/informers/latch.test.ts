import { describe, expect, test } from "bun:test";
import { getEventListeners } from "node:events";
import { Latch } from "./latch.ts";

const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

describe("a latch", () => {
  test("lets through who waited and who comes later", async () => {
    const latch = new Latch();
    const early = latch.wait();
    expect(latch.isSet).toBe(false);
    latch.set();
    await early;
    await latch.wait();
    expect(latch.isSet).toBe(true);
  });

  test("rejects for all with what it failed with, and does not change its mind", async () => {
    const latch = new Latch();
    const early = latch.wait().catch((error: unknown) => error);
    latch.fail("gone");
    latch.set();
    expect([await early, await latch.wait().catch((error: unknown) => error)]).toEqual(["gone", "gone"]);
    expect(latch.isSet).toBe(false);
  });

  test("rejects with the signal's reason for its owner alone, and leaves no listener", async () => {
    const latch = new Latch();
    const aborted = new AbortController();
    const patient = new AbortController();
    const [first, second] = [latch.wait(aborted.signal), latch.wait(patient.signal)];
    aborted.abort("too late");
    expect(await first.catch((error: unknown) => error)).toBe("too late");
    expect(await latch.wait(aborted.signal).catch((error: unknown) => error)).toBe("too late");
    latch.set();
    await second;
    expect([listeners(aborted.signal), listeners(patient.signal)]).toEqual([0, 0]);
  });

  test("adds one listener to a signal, however many wait at however many latches", async () => {
    const stop = new AbortController();
    const latches = Array.from({ length: 20 }, () => new Latch());
    const waits = latches.flatMap((latch) => [latch.wait(stop.signal), latch.wait(stop.signal)]);
    expect(listeners(stop.signal)).toBe(1);
    latches[0]?.set();
    await Promise.all(waits.slice(0, 2));
    expect(listeners(stop.signal)).toBe(1);
    stop.abort("too late");
    const ends = await Promise.allSettled(waits.slice(2));
    expect(new Set(ends.map((end) => end.status === "rejected" && end.reason))).toEqual(new Set(["too late"]));
    expect(listeners(stop.signal)).toBe(0);
  });

  test("refuses what is no signal", async () => {
    const error = await new Latch().wait({} as AbortSignal).catch((thrown: unknown) => thrown);
    expect(String(error)).toBe("ApiError: INVALID_ARGUMENT: signal: it is not an AbortSignal");
  });
});
