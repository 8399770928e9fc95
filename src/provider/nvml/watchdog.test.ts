import { describe, expect, test } from "bun:test";
import { roundOf } from "../../testing/nvml-script.ts";
import type { HostMessage } from "./sample.ts";
import { judge, newWatch, watchdogLimits, watchMessages } from "./watchdog.ts";

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

test("the limit for calls leaves a pulse and the way here within two periods, and lets the event thread wait", () => {
  for (const periodMs of [400, 500, 1_000, 10_000]) {
    const { callMs } = watchdogLimits(periodMs);
    expect(callMs + 100).toBeLessThan(2 * periodMs);
  }
  expect(watchdogLimits(50).callMs).toBeGreaterThan(250);
});
