import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { SERVE_FLAGS } from "../src/server/flags.ts";
import { CHART, documentedValues } from "./chart-readme.ts";
import { CHART_VALUES } from "./flags-page.ts";

test("every flag is in the operations guide as the server has it", () => {
  const done = Bun.spawnSync(["bun", "scripts/flags-page.ts", "--check"], { stderr: "pipe" });
  expect(done.stderr.toString()).toBe("");
  expect(done.exitCode).toBe(0);
});

test("every value of the chart that the guide names is one", () => {
  const known = documentedValues(readFileSync(`${CHART}/values.yaml`, "utf8")).map(({ path }) => path);
  const named = Object.values(CHART_VALUES).flatMap((text) => text.split(", "));
  expect(named.filter((path) => !known.includes(path))).toEqual([]);
});

test("the chart sets no other flag by a value of its own", () => {
  const helpers = readFileSync(`${CHART}/templates/_helpers.tpl`, "utf8");
  const set = new Set([...helpers.matchAll(/^- .*?--([a-z-]+)=/gm)].map(([, name]) => name ?? ""));
  expect([...set].sort()).toEqual(Object.keys(CHART_VALUES).sort());
  expect(Object.keys(CHART_VALUES).filter((name) => !(name in SERVE_FLAGS))).toEqual([]);
});
