import { describe, expect, test } from "bun:test";
import { GO_CHART_VALUES, REFUSED_BY_SCHEMA, REFUSED_BY_TEMPLATES, UNKNOWN_KEYS } from "./cases.ts";
import { CHART, hasHelm, helm, template } from "./helm.ts";

/** T-CHART-1: what the chart refuses, by a message that names the value. */

describe.skipIf(!hasHelm)("the chart", () => {
  test("passes the linter", async () => {
    const { ok, out } = await helm("lint", "--strict", CHART);
    expect([ok, out]).toEqual([true, expect.stringContaining("0 chart(s) failed")]);
  });

  test("takes the values files of the Go server's chart", async () => {
    const { ok, err } = await template(GO_CHART_VALUES);
    expect([ok, err]).toEqual([true, ""]);
  });

  test("takes what a parent chart hands down", async () => {
    expect((await template({ global: { imageRegistry: "x" }, enabled: true })).ok).toBe(true);
  });

  test("takes a text that YAML would read as something else", async () => {
    const { ok, err } = await template({
      "nvml.enabled": true,
      "nvml.hostDriverRoot": "/a: b",
      runtimeClassName: "a: b",
    });
    expect([ok, err]).toEqual([true, ""]);
  });

  test.each(UNKNOWN_KEYS)("refuses %p by its place, %s", async (values, at, key) => {
    const { ok, err } = await template(values);
    expect(ok).toBe(false);
    expect(err).toContain(`at '${at}': additional properties '${key}' not allowed`);
  });

  test.each(REFUSED_BY_SCHEMA)("refuses %p by its place, %s", async (values, at) => {
    const { ok, err } = await template(values);
    expect([ok, err]).toEqual([false, expect.stringContaining(`at '${at}'`)]);
  });

  test.each(REFUSED_BY_TEMPLATES)("refuses %p, which is well-formed, with the reason", async (values, message) => {
    const { ok, err } = await template(values);
    expect([ok, err]).toEqual([false, expect.stringContaining(message)]);
  });
});
