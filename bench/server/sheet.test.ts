import { expect, test } from "bun:test";
import type { Scenario } from "./scenarios.ts";
import { createSheet, ratioOf, render } from "./sheet.ts";

const LIST: Scenario = { name: "list", section: "Over TCP", subject: "list", repetitions: 3, measure: async () => [] };
const GROWTH: Scenario = { ...LIST, name: "growth-gpus", section: "Growth", subject: "" };

function filled() {
  const sheet = createSheet();
  for (const [ours, other] of [
    [30_000, 20_000],
    [10_000, 10_000],
    [20_000, 40_000],
  ] as const) {
    sheet.add(LIST, 0, [{ what: "calls/s", value: ours, aim: "≥ 1.5×" }]);
    sheet.add(LIST, 1, [{ what: "calls/s", value: other, aim: "≥ 1.5×" }]);
  }
  sheet.add(GROWTH, 0, [{ what: "list of 8 GPUs: CPU µs per call", value: 31.25 }]);
  sheet.add(GROWTH, 1, [{ what: "list of 8 GPUs: CPU µs per call", value: 0 }]);
  return sheet;
}

test("a row has what each server was measured at, and the ratio of the medians", () => {
  const [row] = filled().rows;
  expect(row).toEqual({
    section: "Over TCP",
    what: "list: calls/s",
    values: [
      [30_000, 10_000, 20_000],
      [20_000, 10_000, 40_000],
    ],
    aim: "≥ 1.5×",
  });
  expect(row && ratioOf(row)).toBe(1);
});

test("a terminal gets an aligned table for each section", () => {
  expect(render(filled().rows, ["ours", "reference"], false)).toBe(
    [
      "Over TCP",
      "",
      "what             ours  reference  ratio  aim",
      "list: calls/s  20,000     20,000  1.00×  ≥ 1.5×",
      "",
      "Growth",
      "",
      "what                             ours  reference  ratio  aim",
      "list of 8 GPUs: CPU µs per call  31.3       0.00      -",
      "",
    ].join("\n"),
  );
});

test("a page gets the same as Markdown, as the formatter leaves it", () => {
  expect(render(filled().rows.slice(1), ["ours", "reference"], true)).toBe(
    [
      "### Growth",
      "",
      "| what                            | ours | reference | ratio | aim |",
      "| ------------------------------- | ---: | --------: | ----: | --- |",
      "| list of 8 GPUs: CPU µs per call | 31.3 |      0.00 |     - |     |",
      "",
    ].join("\n"),
  );
});
