import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./tools.ts";

export interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface RuleTest {
  readonly name: string;
  readonly alert_rule_test?: readonly {
    readonly alertname: string;
    readonly exp_alerts: readonly object[];
  }[];
  readonly promql_expr_test?: readonly { readonly expr: string }[];
}

const RULES_FOLDER = "charts/device-api-server/files/alerts";
const TESTS_FOLDER = "tests/alerts";

const yamlFiles = (folder: string): string[] =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => join(ROOT, folder, name));

/** Absolute paths. */
export const RULE_FILES = yamlFiles(RULES_FOLDER);
export const RULE_TEST_FILES = yamlFiles(TESTS_FOLDER);

export const RULES: readonly Rule[] = RULE_FILES.flatMap((file) =>
  parse<{ groups: { rules: Rule[] }[] }>(file).groups.flatMap(({ rules }) => rules),
);
export const RULE_TESTS: readonly RuleTest[] = RULE_TEST_FILES.flatMap(
  (file) => parse<{ tests: RuleTest[] }>(file).tests,
);

export interface Alert extends Rule {
  readonly alert: string;
}
export const ALERTS: readonly Alert[] = RULES.flatMap((rule) =>
  rule.alert === undefined ? [] : [{ ...rule, alert: rule.alert }],
);
export const RECORDED: readonly string[] = RULES.flatMap(({ record }) => record ?? []);

function parse<T>(file: string): T {
  return Bun.YAML.parse(readFileSync(file, "utf8")) as T;
}
