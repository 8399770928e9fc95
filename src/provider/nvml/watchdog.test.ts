import { describe, expect, test } from "bun:test";
import { roundOf } from "../../testing/nvml-script.ts";
import type { HostMessage } from "./sample.ts";
import { afterPause, judge, newWatch, watchdogLimits, watchMessages } from "./watchdog.ts";

const LIMITS = watchdogLimits(500);
const ROUND: HostMessage = { kind: "round", round: roundOf(0, []) };

function pulse(samplerMs?: number, eventMs?: number): HostMessage {
  const call = (name: string, ms: number | undefined) =>
    ms === undefined ? undefined : { name, sinceNs: BigInt(60_000 - ms) * 1_000_000n };
  return {
    kind: "pulse",
    monoNs: 60_000_000_000n,
    sampler: call("nvmlDeviceGetTemperature", samplerMs),
    eventThread: call("nvmlEventSetWait_v2", eventMs),
  };
}

describe("a host process", () => {
  const running = watchMessages(newWatch(0), [ROUND], 1_000);
  const rows: readonly [name: string, batch: readonly HostMessage[], laterMs: number, kind: string, what: string][] = [
    ["that waits for events by design is fine", [pulse(undefined, 260)], 0, "fine", ""],
    ["with a call that takes a while is fine", [pulse(LIMITS.callMs - 1)], 0, "fine", ""],
    [
      "with a call over the limit is unresponsive",
      [pulse(LIMITS.callMs)],
      0,
      "unresponsive",
      "nvmlDeviceGetTemperature has been",
    ],
    [
      "whose event thread hangs is unresponsive",
      [pulse(3, LIMITS.callMs)],
      0,
      "unresponsive",
      "nvmlEventSetWait_v2 has been",
    ],
    ["whose call has returned is fine", [pulse(LIMITS.callMs), pulse()], 0, "fine", ""],
    ["whose round came after that call is fine", [pulse(LIMITS.callMs), ROUND], 0, "fine", ""],
    [
      "whose round came while the event thread hangs is unresponsive",
      [pulse(3, LIMITS.callMs), ROUND],
      0,
      "unresponsive",
      "nvmlEventSetWait_v2 has been",
    ],
    ["with a call that never returns is killed", [pulse(LIMITS.killMs)], 0, "kill", "for more than 5 s"],
    [
      "that is silent is unresponsive",
      [pulse(2)],
      LIMITS.callMs,
      "unresponsive",
      "silent for more than 0.75 s, last seen in nvmlD",
    ],
    ["that stays silent is killed", [pulse()], LIMITS.killMs, "kill", "silent for more than 5 s"],
  ];
  for (const [name, batch, laterMs, kind, what] of rows) {
    test(name, () => {
      const verdict = judge(watchMessages(running, batch, 1_100), LIMITS, 1_100 + laterMs);
      expect(verdict.kind).toBe(kind as typeof verdict.kind);
      if (verdict.kind !== "fine") expect(verdict.what).toContain(what);
    });
  }

  test("whose pulses come and whose rounds do not is unresponsive, and killed in the end", () => {
    const at = (ms: number) => judge(watchMessages(running, [pulse()], 1_000 + ms), LIMITS, 1_000 + ms).kind;
    expect(at(LIMITS.roundMs - 1)).toBe("fine");
    expect(at(LIMITS.roundMs)).toBe("unresponsive");
    expect(at(LIMITS.roundKillMs)).toBe("kill");
  });

  test("has its time for the start, whatever runs or not, and no more", () => {
    const starting = watchMessages(newWatch(0), [pulse(20_000)], 20_000);
    expect(judge(starting, LIMITS, 20_000)).toMatchObject({ kind: "starting", call: "nvmlDeviceGetTemperature" });
    expect(judge(newWatch(0), LIMITS, LIMITS.callMs - 1).kind).toBe("fine");
    expect(judge(newWatch(0), LIMITS, LIMITS.callMs)).toMatchObject({ kind: "starting", call: undefined });
    expect(judge(starting, LIMITS, LIMITS.initMs - 1).kind).toBe("starting");
    expect(judge(starting, LIMITS, LIMITS.initMs)).toMatchObject({ kind: "kill", call: "nvmlDeviceGetTemperature" });
  });
});

describe("a pause of the server", () => {
  const running = watchMessages(newWatch(0), [pulse(), ROUND], 1_000);
  const kindAt = (watch: typeof running, nowMs: number) => judge(watch, LIMITS, nowMs).kind;

  test("counts as no silence, and what comes after it does", () => {
    const after = afterPause(running, 60_000, 61_000);
    expect(kindAt(after, 61_000)).toBe("fine");
    expect(kindAt(after, 61_000 + LIMITS.callMs)).toBe("unresponsive");
    expect(kindAt(after, 61_000 + LIMITS.killMs)).toBe("kill");
    const heard = watchMessages(after, [pulse()], 61_000 + LIMITS.roundMs);
    expect(kindAt(heard, 61_000 + LIMITS.roundMs)).toBe("unresponsive");
  });

  test("lets nothing be heard later than now", () => {
    const after = afterPause(watchMessages(running, [pulse()], 2_900), 1_000, 3_000);
    expect(after).toMatchObject({ startedMs: 1_000, firstRoundMs: 2_000, lastRoundMs: 2_000, lastMessageMs: 3_000 });
  });

  test("does not shorten the start", () => {
    const after = afterPause(newWatch(0), 60_000, 61_000);
    expect(kindAt(after, 61_000 + LIMITS.initMs - 1_001)).toBe("starting");
    expect(kindAt(after, 61_000 + LIMITS.initMs)).toBe("kill");
  });

  test("is no part of a call that it fell into, and of one that began later it takes nothing", () => {
    const paused = afterPause(afterPause(running, 4_000, 5_000), 2_000, 7_100);
    const callMs = (ms: number) => watchMessages(paused, [pulse(ms)], 7_200).sampler?.ms;
    expect(callMs(6_300)).toBe(300);
    expect(callMs(2_150)).toBe(150);
    expect(callMs(1_000)).toBe(100);
    expect(callMs(90)).toBe(90);
  });

  test("hides no call that hangs while many short ones come", () => {
    let watch = running;
    for (let ms = 1_200; ms <= 1_800; ms += 200) watch = afterPause(watch, 150, ms);
    expect(kindAt(watchMessages(watch, [pulse(LIMITS.callMs)], 1_900), 1_900)).toBe("unresponsive");
  });
});

test("the limit for calls leaves a pulse and the way here within two periods, and lets the event thread wait", () => {
  for (const periodMs of [400, 500, 1_000, 10_000]) {
    const { callMs } = watchdogLimits(periodMs);
    expect(callMs + 100).toBeLessThan(2 * periodMs);
  }
  expect(watchdogLimits(50).callMs).toBeGreaterThan(250);
});
