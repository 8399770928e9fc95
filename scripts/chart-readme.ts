/**
 * Writes the table of values in the chart's README from the comments of values.yaml (`# --` begins the text of the key
 * that follows); with --check only compares.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { withTable } from "./markdown-table.ts";

export const CHART = "charts/device-api-server";
const README = `${CHART}/README.md`;
const BEGIN = "<!-- values: written by scripts/chart-readme.ts from values.yaml -->";
const END = "<!-- end of values -->";
/** A longer default is to be read in values.yaml. */
const DEFAULT_MAX = 60;

/** A value with its text; a map that has a text is one value, with all that is in it. */
export interface DocumentedValue {
  readonly path: string;
  readonly fallback: unknown;
  readonly text: string;
}

if (import.meta.main) {
  const found = readFileSync(README, "utf8");
  const wanted = withTable(
    README,
    found,
    [BEGIN, END],
    tableOf(documentedValues(readFileSync(`${CHART}/values.yaml`, "utf8"))),
  );
  if (process.argv.includes("--check")) {
    if (found !== wanted) console.error(`${README} is not what values.yaml gives: run bun scripts/chart-readme.ts`);
    process.exitCode = found === wanted ? 0 : 1;
  } else {
    writeFileSync(README, wanted);
  }
}

/** Throws where a value has no text. */
export function documentedValues(yaml: string): DocumentedValue[] {
  const texts = commentsOf(yaml);
  const values: DocumentedValue[] = [];
  const visit = (node: unknown, path: string): void => {
    const text = texts.get(path);
    if (text !== undefined) {
      values.push({ path, fallback: node, text });
    } else if (isMap(node) && Object.keys(node).length > 0) {
      for (const [key, value] of Object.entries(node)) visit(value, path === "" ? key : `${path}.${key}`);
    } else {
      throw new Error(`values.yaml: ${path} has no text; give it a comment that begins with "# --"`);
    }
  };
  visit(Bun.YAML.parse(yaml), "");
  return values;
}

/** The text over each key that has one, by the key's path. */
function commentsOf(yaml: string): Map<string, string> {
  const texts = new Map<string, string>();
  const path: { readonly indent: number; readonly key: string }[] = [];
  let text: string | undefined;
  for (const line of yaml.split("\n")) {
    const comment = /^\s*# (-- )?(.*)$/.exec(line);
    const key = /^(\s*)([A-Za-z]\w*):/.exec(line);
    if (comment !== null) {
      if (comment[1] !== undefined) text = comment[2];
      else if (text !== undefined) text += ` ${comment[2]}`;
      continue;
    }
    if (key !== null) {
      const indent = key[1]?.length ?? 0;
      while ((path.at(-1)?.indent ?? -1) >= indent) path.pop();
      path.push({ indent, key: key[2] ?? "" });
      if (text !== undefined) texts.set(path.map((part) => part.key).join("."), text);
    }
    text = undefined;
  }
  return texts;
}

function isMap(node: unknown): node is Record<string, unknown> {
  return typeof node === "object" && node !== null && !Array.isArray(node);
}

function tableOf(values: readonly DocumentedValue[]): string {
  const rows = values.map(({ path, fallback, text }) => {
    const shown = JSON.stringify(fallback);
    const cell = shown.length > DEFAULT_MAX ? "see values.yaml" : `\`${shown}\``;
    return `| \`${path}\` | ${cell} | ${text.replaceAll("|", "\\|")} |`;
  });
  return ["| value | default | what it is |", "| --- | --- | --- |", ...rows].join("\n");
}
