import { expect, test } from "bun:test";
import { hardDescriptorLimit, planFor } from "./plan.ts";

test("the hard limit of open files is what a process can raise its own to", () => {
  const limits = (hard: string) => `Max processes   1   2   processes\nMax open files   1024   ${hard}   files\n`;
  expect(hardDescriptorLimit(limits("524288"))).toBe(524_288);
  expect(hardDescriptorLimit(limits("unlimited"))).toBe(Number.POSITIVE_INFINITY);
});

test("a number of repetitions is that of everything", () => {
  expect(planFor(false, undefined).repetitions).toEqual({ calls: 5, start: 10, growth: 3 });
  expect(planFor(false, 2).repetitions).toEqual({ calls: 2, start: 2, growth: 2 });
});
