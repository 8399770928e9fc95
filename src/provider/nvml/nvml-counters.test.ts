import { expect, test } from "bun:test";
import { NvmlCounters } from "./nvml-counters.ts";
import type { HostMessage } from "./sample.ts";

const NOW_NS = 60_000_000_000n;

function pulse(samplerMs?: number, eventMs?: number): HostMessage & { kind: "pulse" } {
  const call = (name: string, ms: number | undefined) =>
    ms === undefined ? undefined : { name, sinceNs: NOW_NS - BigInt(ms) * 1_000_000n };
  return { kind: "pulse", monoNs: NOW_NS, sampler: call("sampling", samplerMs), eventThread: call("waiting", eventMs) };
}

test("the call that runs is the longer of the two threads', and a wait for events counts late", () => {
  const counters = new NvmlCounters();
  expect(counters.runningCall(1_000)).toBeUndefined();
  const cases: readonly (readonly [number | undefined, number | undefined, string | undefined, number])[] = [
    [undefined, 250, undefined, 0],
    [undefined, 500, "waiting", 500],
    [3, 250, "sampling", 3],
    [3, 4_000, "waiting", 4_000],
    [5_000, 4_000, "sampling", 5_000],
    [undefined, undefined, undefined, 0],
  ];
  for (const [samplerMs, eventMs, name, ms] of cases) {
    counters.onPulse(pulse(samplerMs, eventMs), 1_000);
    expect(counters.runningCall(1_000)).toEqual(name === undefined ? undefined : { name, ms });
  }
});

test("while no pulse comes, a call goes on", () => {
  const counters = new NvmlCounters();
  counters.onPulse(pulse(200), 1_000);
  expect(counters.runningCall(8_000)).toEqual({ name: "sampling", ms: 7_200 });
  counters.onEnded(true);
  expect(counters.runningCall(8_000)).toBeUndefined();
});

test("the longest call is one that has ended, or one that a pulse told of and that never did", () => {
  const counters = new NvmlCounters();
  counters.onPulse(pulse(5_000, 250), 1_000);
  counters.onPulse(pulse(2_000, 100), 2_000);
  counters.onEnded(true);
  const ended = new Map([
    ["waiting", { count: 9, totalUs: 9_000_000, longestUs: 251_000 }],
    ["other", { count: 1, totalUs: 10, longestUs: 10 }],
  ]);
  expect(counters.longestMs(ended)).toEqual(
    new Map([
      ["sampling", 5_000],
      ["waiting", 251],
      ["other", 0.01],
    ]),
  );
});

test("names of functions that hang are bounded", () => {
  const counters = new NvmlCounters();
  for (let i = 0; i < 1_000; i++) counters.onHang(`f${i}`);
  counters.onHang("f0");
  expect(counters.hangs.size).toBe(64);
  expect(counters.hangs.get("f0")).toBe(2);
});
