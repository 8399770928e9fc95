import { expect, test } from "bun:test";
import { defaultsOf, type Schema } from "./chart-defaults.ts";

test("the chart's file of defaults is what values.yaml and the schema give", () => {
  const done = Bun.spawnSync([process.execPath, "scripts/chart-defaults.ts", "--check"], { stderr: "pipe" });
  expect([done.exitCode, done.stderr.toString()]).toEqual([0, ""]);
});

const YAML = "# -- A.\na: 1\nb:\n  # -- C.\n  c: [x]\n  # -- D.\n  d: {}\n# -- E.\ne: z\n# -- F.\nf: 2\n";
const SCHEMA: Schema = {
  definitions: { maps: { type: ["object", "null"] }, numbers: { type: "integer" } },
  properties: {
    a: { $ref: "#/definitions/numbers" },
    b: { type: "object", properties: { c: { type: "array" }, d: { $ref: "#/definitions/maps" } } },
    e: { enum: ["y", "z"] },
    f: { anyOf: [{ type: "integer" }, { type: ["string", "null"] }] },
  },
};

test("every value is in it but those that may be null", () => {
  expect(Bun.YAML.parse(defaultsOf(YAML, SCHEMA))).toEqual({ a: 1, "b.c": ["x"], e: "z" });
});

test("a value that the schema does not know is refused by its path", () => {
  const properties = { ...SCHEMA.properties, b: { type: "object" } };
  expect(() => defaultsOf(YAML, { ...SCHEMA, properties })).toThrow("there is no b.c");
});
