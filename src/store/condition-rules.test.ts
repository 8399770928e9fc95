import { describe, expect, test } from "bun:test";
import { ConditionReader, type ConditionRules, DEFAULT_RULES } from "./condition-rules.ts";
import type { ConditionStatus } from "./types.ts";

const STATUSES: readonly ConditionStatus[] = ["True", "False", "Unknown"];

const readerOf = (rules: Partial<ConditionRules>) => new ConditionReader({ inverted: [], advisory: [], ...rules });
const isInverted = (pattern: string, type: string) => readerOf({ inverted: [pattern] }).verdict(type, "True") === "bad";

describe("the polarity of a type", () => {
  test.each([
    ["Ready", false],
    ["XidError", true],
    ["Error", true],
    ["ErrorXid", false],
    ["xiderror", false],
    ["NvLinkFault", true],
    ["GpuMemWatch", true],
    ["GpuWatch", true],
    ["GpuWatcher", false],
    ["MyGpuWatch", false],
    ["ThermalHealthy", false],
    ["__proto__", false],
    ["constructor", false],
    ["a\nXidError", true],
  ] as const)("by the default rules, %j means a fault when True: %j", (type, inverted) => {
    const reader = new ConditionReader(DEFAULT_RULES);
    const verdicts = STATUSES.map((status) => reader.verdict(type, status));
    expect(verdicts).toEqual(inverted ? ["bad", "good", "unknown"] : ["good", "bad", "unknown"]);
    // And again from memory.
    expect(STATUSES.map((status) => reader.verdict(type, status))).toEqual(verdicts);
  });
});

describe("a glob", () => {
  test.each([
    ["*", "anything", true],
    ["*", "", true],
    ["a*c", "abc", true],
    ["a*c", "ac", true],
    ["a*c", "abcd", false],
    ["*b*", "abc", true],
    ["a.c", "abc", false],
    ["a.c", "a.c", true],
    ["a+(b)|[c]{1}^$\\?", "a+(b)|[c]{1}^$\\?", true],
    ["a|b", "a", false],
    ["", "", true],
    ["", "a", false],
    ["Ä*", "Äpfel", true],
    ["*😀", "x😀", true],
  ] as const)("%j against %j: %j", (pattern, type, matches) => {
    expect(isInverted(pattern, type)).toBe(matches);
  });

  test("is one of several, and no pattern matches nothing", () => {
    const reader = readerOf({ inverted: ["A*", "*Z"] });
    expect(["Ax", "xZ", "xAx"].map((type) => reader.verdict(type, "True"))).toEqual(["bad", "bad", "good"]);
    expect(readerOf({}).verdict("", "True")).toBe("good");
  });
});

describe("advisory types", () => {
  test("do not count, whatever their polarity", () => {
    const reader = new ConditionReader(DEFAULT_RULES);
    const types = ["ThermalHealthy", "PowerHealthy", "ThermalHealthyToo", "Ready", "XidError"];
    expect(types.map((type) => reader.counts(type))).toEqual([false, false, true, true, true]);
    const both = readerOf({ inverted: ["*Hint"], advisory: ["*Hint"] });
    expect([both.counts("XHint"), both.verdict("XHint", "True")]).toEqual([false, "bad"]);
  });

  test("are still told apart after more types than are remembered", () => {
    const reader = new ConditionReader(DEFAULT_RULES);
    for (let i = 0; i < 3_000; i++) {
      expect(reader.verdict(`Type${i}Error`, "True")).toBe("bad");
      expect(reader.verdict(`Type${i}`, "True")).toBe("good");
    }
    expect([reader.counts("PowerHealthy"), reader.verdict("Type0Error", "True")]).toEqual([false, "bad"]);
  });
});
