import { expect, test } from "bun:test";
import { documentedValues } from "./chart-readme.ts";

test("the README of the chart is what values.yaml gives", () => {
  const done = Bun.spawnSync([process.execPath, "scripts/chart-readme.ts", "--check"], { stderr: "pipe" });
  expect([done.exitCode, done.stderr.toString()]).toEqual([0, ""]);
});

test("a text of several lines belongs to the key below it, and a map with a text is one value", () => {
  const yaml = [
    "# A remark.",
    "a:",
    "  # -- The first",
    "  # value.",
    "  b: 1",
    "  c:",
    "    # -- Deep.",
    "    d: []",
    "# -- A map.",
    "e:",
    "  f: x",
  ].join("\n");
  expect(documentedValues(yaml)).toEqual([
    { path: "a.b", fallback: 1, text: "The first value." },
    { path: "a.c.d", fallback: [], text: "Deep." },
    { path: "e", fallback: { f: "x" }, text: "A map." },
  ]);
});

test("a value without a text is refused by its path", () => {
  expect(() => documentedValues("a:\n  # -- Text.\n  b: 1\n  c: 2\n")).toThrow("a.c has no text");
});
