import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { DASHBOARD_FILE, dashboardText } from "../../scripts/dashboard.ts";
import { selectorsOf } from "./promql.ts";
import { ALERTS, RECORDED, RULE_FILES, RULE_TEST_FILES, RULE_TESTS, RULES } from "./rule-files.ts";
import { PROMTOOL, promtool, ROOT } from "./tools.ts";

/** The alerts, without a server: what promtool says of them, and that each has its tests, its words and its runbook. */

const names = ALERTS.map(({ alert }) => alert);

describe.skipIf(PROMTOOL === undefined)("promtool", () => {
  for (const file of RULE_FILES) {
    test(`finds no fault with ${basename(file)}`, async () => {
      const { code, text } = await promtool("check", "rules", "--lint=all", "--lint-fatal", file);
      expect([code, text]).toEqual([0, expect.stringContaining("SUCCESS")]);
    });
  }

  for (const file of RULE_TEST_FILES) {
    test(`sees the rules do as ${basename(file)} says`, async () => {
      const { code, text } = await promtool("test", "rules", file);
      expect([code, text]).toEqual([0, expect.stringContaining("SUCCESS")]);
    });
  }
});

describe("every alert", () => {
  const cases = RULE_TESTS.flatMap(({ alert_rule_test = [] }) => alert_rule_test);
  for (const { alert, labels, annotations } of ALERTS) {
    const own = RULE_TESTS.map((each) => each.alert_rule_test?.filter(({ alertname }) => alertname === alert) ?? []);

    test(`${alert} is seen to fire, and to stay quiet through a whole case`, () => {
      const fires = own.filter((each) => each.some(({ exp_alerts }) => exp_alerts.length > 0));
      const quiet = own.filter((each) => each.length > 0 && each.every(({ exp_alerts }) => exp_alerts.length === 0));
      expect(fires.length).toBeGreaterThan(0);
      expect(quiet.length).toBeGreaterThan(0);
    });

    test(`${alert} has a severity, words and a runbook`, () => {
      expect(["critical", "warning"]).toContain(labels?.["severity"] ?? "none");
      const { summary = "", description = "", runbook } = annotations ?? {};
      expect(summary).toMatch(/\$labels\.(gpu|instance)/);
      expect(description).toEndWith(".");
      expect(runbook).toBe(`docs/operations/runbooks.md#${alert.toLowerCase()}`);
    });
  }

  test("has a name of its own, and each test names one of them", () => {
    expect(new Set(names).size).toBe(names.length);
    expect([...new Set(cases.map(({ alertname }) => alertname))].sort()).toEqual([...names].sort());
  });
});

test("every recorded series is tested, and read by an alert or the dashboard or meant for people", () => {
  const tested = RULE_TESTS.flatMap(({ promql_expr_test = [] }) => promql_expr_test.map(({ expr }) => expr));
  for (const name of RECORDED) expect(tested).toContain(name);
  const read = RULES.flatMap(({ expr }) => selectorsOf(expr).map(({ metric }) => metric));
  const shown = readFileSync(DASHBOARD_FILE, "utf8");
  for (const name of RECORDED) expect([name, read.includes(name) || shown.includes(name)]).toEqual([name, true]);
});

test("the table of the alerts has each with its severity and its time", () => {
  const text = readFileSync(join(ROOT, "docs/operations/alerts.md"), "utf8");
  const rows = [...text.matchAll(/^\| \[(\w+)\]\(runbooks\.md#(\w+)\) +\| (\w+) +\| (\w+) +\|/gm)];
  const inTable = rows.map(([, name, anchor, severity, time]) => [name, anchor, severity, time]);
  const inRules = ALERTS.map((rule) => [
    rule.alert,
    rule.alert.toLowerCase(),
    rule.labels?.["severity"],
    rule.for ?? "0m",
  ]);
  expect(inTable.sort()).toEqual(inRules.sort());
});

test("the dashboard in the chart is what its panels give", () => {
  expect(readFileSync(DASHBOARD_FILE, "utf8")).toBe(dashboardText());
});
