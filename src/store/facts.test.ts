import { describe, expect, test } from "bun:test";
import { codeOf, condition } from "../testing/test-store.ts";
import type { Moment } from "./aggregate.ts";
import { ConditionReader, DEFAULT_RULES } from "./condition-rules.ts";
import {
  conditionCount,
  withCondition,
  withLostProvider,
  withoutProviders,
  withRegistration,
  withStatus,
  withUuid,
} from "./facts.ts";
import type { ConditionInput, GpuFacts, Instant } from "./types.ts";

const reader = new ConditionReader(DEFAULT_RULES);
const EMPTY: GpuFacts = { name: "gpu-0", uuid: "", registrations: ["a"], reports: new Map() };
const time = (seconds: number): Instant => ({ seconds: 1_790_000_000n + BigInt(seconds), nanos: 0 });
const at = (transaction: number): Moment => ({ transaction, now: time(transaction) });

const status = (facts: GpuFacts, provider: string, moment: number, conditions: ConditionInput[], action = "") =>
  withStatus(facts, provider, { conditions, action }, reader, at(moment));
const one = (facts: GpuFacts, provider: string, moment: number, input: ConditionInput) =>
  withCondition(facts, provider, input, reader, at(moment));
const said = (facts: GpuFacts, provider: string) =>
  [...(facts.reports.get(provider)?.conditions.values() ?? [])].map(({ type, status }) => `${type}=${status}`);
const reportOf = (facts: GpuFacts, provider: string, type: string) => facts.reports.get(provider)?.conditions.get(type);

describe("a provider's reports", () => {
  test("are all replaced by a status, and one by a condition; those of others stay", () => {
    let facts = status(EMPTY, "a", 1, [condition("A", "True"), condition("B", "True")]);
    facts = status(facts, "b", 2, [condition("A", "False")]);
    facts = one(facts, "a", 3, condition("B", "False"));
    expect([said(facts, "a"), said(facts, "b")]).toEqual([["A=True", "B=False"], ["A=False"]]);
    facts = status(facts, "a", 4, [condition("C", "True")]);
    expect([said(facts, "a"), said(facts, "b")]).toEqual([["C=True"], ["A=False"]]);
    expect(conditionCount(facts)).toBe(2);
    facts = status(facts, "a", 5, []);
    expect([...facts.reports.keys()]).toEqual(["b"]);
  });

  test("are the very same object where nothing new was said", () => {
    expect(status(EMPTY, "a", 1, [])).toBe(EMPTY);
    const facts = status(EMPTY, "a", 1, [condition("A", "False"), condition("B", "True")], "RESTART_BM");
    const again = [condition("B", "True"), condition("A", "False", { at: time(9) })];
    expect(status(facts, "a", 2, again, "RESTART_BM")).toBe(facts);
    expect(one(facts, "a", 2, condition("A", "False"))).toBe(facts);
    expect(withRegistration(facts, "a")).toBe(facts);
    expect(withUuid({ ...facts, uuid: "GPU-a" }, "gpu-A").uuid).toBe("GPU-a");
    expect(withUuid(facts, "")).toBe(facts);
    expect(withoutProviders(facts, new Set(["x"]))).toBe(facts);
    expect(withLostProvider(facts, "x", 30_000, reader, at(3))).toBe(facts);
    for (const change of [
      status(facts, "a", 2, again, "RESTART_VM"),
      one(facts, "a", 2, condition("A", "False", { reason: "r" })),
      one(facts, "a", 2, condition("A", "False", { message: "m" })),
    ]) {
      expect(change).not.toBe(facts);
    }
  });

  test("leave the facts before them as they were", () => {
    const before = Object.freeze(status(EMPTY, "a", 1, [condition("A", "True")]));
    const copy = structuredClone(before);
    one(before, "a", 2, condition("A", "False"));
    status(before, "b", 3, [condition("A", "False")]);
    withLostProvider(before, "a", 30_000, reader, at(4));
    withoutProviders(before, new Set(["a"]));
    withRegistration(before, "b");
    expect(before).toEqual(copy);
  });

  test("go with their provider's registration", () => {
    let facts = withRegistration(status(EMPTY, "b", 1, [condition("A", "True")]), "b");
    facts = withoutProviders(facts, new Set(["a", "b"]));
    expect([facts.registrations, facts.reports.size]).toEqual([[], 0]);
  });
});

describe("the transition time", () => {
  test("is the provider's own where it is plausible, otherwise the server's", () => {
    const since = (given?: Instant) =>
      reportOf(one(EMPTY, "a", 100, condition("A", "True", given && { at: given })), "a", "A")?.since;
    expect(since(time(50))).toEqual(time(50));
    expect(since()).toEqual(time(100));
    expect(since({ seconds: 0n, nanos: 0 })).toEqual(time(100));
    expect(since(time(161))).toEqual(time(100));
    expect(since({ seconds: time(50).seconds, nanos: -1 })).toEqual(time(100));
  });

  test("moves with the status alone, and never back", () => {
    let facts = one(EMPTY, "a", 10, condition("A", "True", { at: time(5) }));
    facts = one(facts, "a", 20, condition("A", "True", { at: time(15), reason: "refreshed" }));
    expect(reportOf(facts, "a", "A")).toMatchObject({ since: time(5), movedIn: 10, reason: "refreshed" });
    facts = one(facts, "a", 30, condition("A", "False", { at: time(2) }));
    expect(reportOf(facts, "a", "A")).toMatchObject({ since: time(5), movedIn: 30 });
    facts = one(facts, "a", 40, condition("A", "True"));
    expect(reportOf(facts, "a", "A")).toMatchObject({ since: time(40), movedIn: 40 });
  });
});

describe("the advice", () => {
  test("is kept only with a counting fault of the same provider, and does not come back", () => {
    const action = (facts: GpuFacts) => facts.reports.get("a")?.action;
    let facts = status(EMPTY, "a", 1, [condition("A", "False"), condition("B", "False")], "RESTART_BM");
    facts = one(facts, "a", 2, condition("A", "True"));
    expect(action(facts)).toBe("RESTART_BM");
    facts = one(facts, "a", 3, condition("B", "True"));
    expect(action(facts)).toBe("");
    expect(action(one(facts, "a", 4, condition("B", "False")))).toBe("");
    expect(action(status(EMPTY, "a", 1, [condition("PowerHealthy", "False")], "RESTART_BM"))).toBe("");
  });
});

describe("the limit of 64 conditions per GPU", () => {
  const many = (count: number, prefix = "T") =>
    Array.from({ length: count }, (_, i) => condition(`${prefix}${i}`, "True"));

  test("counts all providers together, and refuses the 65th", () => {
    let facts = status(EMPTY, "a", 1, many(40));
    facts = status(facts, "b", 2, many(24));
    expect(conditionCount(facts)).toBe(64);
    expect(codeOf(() => one(facts, "c", 3, condition("T0", "True")))).toBe("RESOURCE_EXHAUSTED");
    expect(codeOf(() => status(facts, "b", 3, many(25)))).toBe("RESOURCE_EXHAUSTED");
    expect(codeOf(() => one(facts, "b", 3, condition("T0", "False")))).toBe("OK");
    expect(codeOf(() => status(facts, "b", 3, many(24, "U")))).toBe("OK");
  });
});

describe("a lost provider", () => {
  test("has Unknown where it said good, whatever the polarity; what was bad or Unknown stays", () => {
    const conditions = [
      condition("A", "True", { reason: "fine", message: "m" }),
      condition("B", "False", { reason: "bad" }),
      condition("C", "Unknown", { reason: "unsure" }),
      condition("XidError", "False"),
      condition("YError", "True", { reason: "bad" }),
      condition("PowerHealthy", "True"),
    ];
    const facts = status(status(EMPTY, "a", 1, conditions, "RESTART_BM"), "b", 1, [condition("A", "True")]);
    const lost = withLostProvider(facts, "a", 30_000, reader, at(9));
    expect(said(lost, "a")).toEqual([
      "A=Unknown",
      "B=False",
      "C=Unknown",
      "XidError=Unknown",
      "YError=True",
      "PowerHealthy=Unknown",
    ]);
    expect(reportOf(lost, "a", "A")).toMatchObject({ reason: "ProviderLost", since: time(9), movedIn: 9 });
    expect(reportOf(lost, "a", "A")?.message).toContain("30 s");
    expect(reportOf(lost, "a", "B")).toBe(reportOf(facts, "a", "B"));
    expect(reportOf(lost, "a", "C")).toBe(reportOf(facts, "a", "C"));
    expect(lost.reports.get("a")?.action).toBe("RESTART_BM");
    expect(said(lost, "b")).toEqual(["A=True"]);
    expect(withLostProvider(lost, "a", 30_000, reader, at(10))).toBe(lost);
  });
});
