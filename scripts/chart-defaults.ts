/**
 * Writes files/defaults.yaml of the chart from its values.yaml: the values that null cannot mean anything for, by their
 * paths. The templates put them back where a values file says null. With --check only compares.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { CHART, documentedValues } from "./chart-readme.ts";

const DEFAULTS = `${CHART}/files/defaults.yaml`;
const HEAD =
  "# Written by scripts/chart-defaults.ts from values.yaml: what templates/_defaults.tpl puts in the place of null.";

/** As much of a JSON schema as says whether a value may be null. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly definitions?: Readonly<Record<string, Schema>>;
}

if (import.meta.main) {
  const schema: Schema = JSON.parse(readFileSync(`${CHART}/values.schema.json`, "utf8"));
  const wanted = defaultsOf(readFileSync(`${CHART}/values.yaml`, "utf8"), schema);
  if (!process.argv.includes("--check")) writeFileSync(DEFAULTS, wanted);
  else if (readFileSync(DEFAULTS, "utf8") !== wanted) {
    console.error(`${DEFAULTS} is not what values.yaml gives: run bun scripts/chart-defaults.ts`);
    process.exitCode = 1;
  }
}

/** A map from paths to values. Throws where the schema does not know a value. */
export function defaultsOf(yaml: string, schema: Schema): string {
  const values = documentedValues(yaml).filter(({ path }) => !takesNull(schemaAt(schema, path), schema));
  const defaults = Object.fromEntries(values.map(({ path, fallback }) => [path, fallback]));
  return `${HEAD}\n${Bun.YAML.stringify(defaults, null, 2)}\n`;
}

function schemaAt(root: Schema, path: string): Schema {
  return path.split(".").reduce((schema, key) => {
    const inner = schema.properties?.[key];
    if (inner === undefined) throw new Error(`values.schema.json: there is no ${path}`);
    return inner;
  }, root);
}

function takesNull(schema: Schema, root: Schema): boolean {
  const { $ref, type, anyOf } = schema;
  if ($ref !== undefined) return takesNull(root.definitions?.[$ref.replace("#/definitions/", "")] ?? {}, root);
  if (anyOf !== undefined) return anyOf.some((each) => takesNull(each, root));
  return type === undefined ? schema.enum?.includes(null) === true : [type].flat().includes("null");
}
