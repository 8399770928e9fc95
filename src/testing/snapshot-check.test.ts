import { describe, expect, test } from "bun:test";
import type { SeenGpu } from "./gpu-register.ts";
import { type SeenAnswer, type SeenEvent, whyNoSnapshots } from "./snapshot-check.ts";

const START = 100;

const gpu = (version: number, says: string): SeenGpu => ({ version, conditions: { A: says } });
const event = (type: string, name: string, seen: SeenGpu): SeenEvent => ({ type, name, gpu: seen });

const EVENTS: readonly SeenEvent[] = [
  event("ADDED", "gpu-0", gpu(101, "True x")),
  event("ADDED", "gpu-1", gpu(102, "True x")),
  event("MODIFIED", "gpu-0", gpu(103, "False x")),
  event("DELETED", "gpu-1", gpu(104, "True x")),
];

const list = (version: number, gpus: Record<string, SeenGpu>): SeenAnswer => {
  return { invokedAt: 10, returnedAt: 11, version, list: { version, gpus: new Map(Object.entries(gpus)) } };
};
const write = (version: number, invokedAt: number, returnedAt: number): SeenAnswer => {
  return { invokedAt, returnedAt, version, list: undefined };
};

test("lists of every version, and one asked for while a write is under way, are right", () => {
  const answers = [
    list(100, {}),
    list(101, { "gpu-0": gpu(101, "True x") }),
    list(102, { "gpu-0": gpu(101, "True x"), "gpu-1": gpu(102, "True x") }),
    list(104, { "gpu-0": gpu(103, "False x") }),
    write(104, 9, 12),
  ];
  expect(whyNoSnapshots(START, EVENTS, answers)).toBeUndefined();
});

describe("wrong are", () => {
  const both = { "gpu-0": gpu(101, "True x"), "gpu-1": gpu(102, "True x") };
  test.each<[string, readonly SeenEvent[], readonly SeenAnswer[], string]>([
    ["a watch with a gap", EVENTS.filter((_, i) => i !== 1), [], "not 102"],
    ["a watch that says a thing twice", EVENTS.flatMap((one) => [one, one]), [], "not 102"],
    ["a watch that begins later", EVENTS.slice(1), [], "not 101"],
    ["a list that lacks a GPU", EVENTS, [list(102, { "gpu-0": gpu(101, "True x") })], "by the events"],
    ["a list with the past of one GPU", EVENTS, [list(103, both)], "by the events"],
    ["a list with the future of one", EVENTS, [list(101, both)], "by the events"],
    ["a list with one that is gone", EVENTS, [list(104, { ...both, "gpu-0": gpu(103, "False x") })], "by the events"],
    ["a list with words of another time", EVENTS, [list(101, { "gpu-0": gpu(101, "False x") })], "by the events"],
    ["a list in another order", EVENTS, [list(102, Object.fromEntries(Object.entries(both).reverse()))], "by the"],
    ["a list of a version that nothing has", EVENTS, [list(105, {})], "no event has"],
    ["a list from before a write that was answered", EVENTS, [list(102, both), write(103, 8, 9)], "after one of 103"],
  ])("%s", (_, events, answers, why) => {
    expect(whyNoSnapshots(START, events, answers)).toContain(why);
  });
});
