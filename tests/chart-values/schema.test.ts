import { describe, expect, test } from "bun:test";
import { Ajv, type ErrorObject } from "ajv";
import type { Schema } from "../../scripts/chart-defaults.ts";
import { documentedValues } from "../../scripts/chart-readme.ts";
import { GO_CHART_VALUES, REFUSED_BY_SCHEMA, REFUSED_BY_TEMPLATES, UNKNOWN_KEYS } from "../chart/cases.ts";
import { FLIPS, valuesOf } from "../chart/flips.ts";
import { nest, type Values } from "../chart/values.ts";

/** The schema of the chart's values, by itself: no Helm is needed here, and every run of the tests has it. */

const CHART = "charts/device-api-server";
const schema: Schema = await Bun.file(`${CHART}/values.schema.json`).json();
const yaml = await Bun.file(`${CHART}/values.yaml`).text();
const documented = documentedValues(yaml);

/** Strict: a keyword that the schema spells wrongly would be passed over elsewhere. */
const validate = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true }).compile(schema);

function errorsOf(values: unknown): readonly ErrorObject[] {
  return validate(values) ? [] : (validate.errors ?? []);
}

const placesOf = (values: Values) => errorsOf(nest(values)).map(({ instancePath }) => instancePath);

/** Each object in the schema whose keys are known, by the path of the value. */
function* objectsOf(node: Schema, path = ""): Generator<string> {
  if (node.properties === undefined) return;
  yield path;
  for (const [key, inner] of Object.entries(node.properties)) yield* objectsOf(inner, `${path}${path && "."}${key}`);
}

describe("the schema of the values takes", () => {
  test("the chart's own values, and none at all", () => {
    expect([errorsOf(Bun.YAML.parse(yaml)), errorsOf({})]).toEqual([[], []]);
  });

  test("the values files of the Go server's chart", () => {
    expect(errorsOf(GO_CHART_VALUES)).toEqual([]);
  });

  test("what a parent chart hands down", () => {
    expect(errorsOf({ global: { imageRegistry: "x" }, enabled: true })).toEqual([]);
  });

  test.each(FLIPS.map((flip) => [flip.path, flip] as const))("%s with another value", (_, flip) => {
    expect(errorsOf(nest(valuesOf(flip)))).toEqual([]);
  });

  test.each(REFUSED_BY_TEMPLATES)("%p, which the templates refuse", (values) => {
    expect(errorsOf(nest(values))).toEqual([]);
  });
});

describe("the schema of the values refuses", () => {
  test.each(UNKNOWN_KEYS)("%p by its place, %s", (values, at, key) => {
    expect(errorsOf(nest(values))).toMatchObject([{ instancePath: at, params: { additionalProperty: key } }]);
  });

  test.each(REFUSED_BY_SCHEMA)("%p by its place, %s", (values, at) => {
    expect(placesOf(values)).toContain(at);
  });

  const objects = [...objectsOf(schema)];
  test.each(objects)("a key in %p that it does not know", (path) => {
    const at = path === "" ? "" : `/${path.replaceAll(".", "/")}`;
    expect(placesOf({ [path === "" ? "unknown" : `${path}.unknown`]: 1 })).toEqual([at]);
  });

  test("nothing but what values.yaml documents, and three values that are accepted without effect", () => {
    const known = objects.flatMap((path) => {
      const inner = path.split(".").reduce<Schema | undefined>((at, key) => at?.properties?.[key], schema) ?? schema;
      return Object.keys(inner.properties ?? {}).map((key) => (path === "" ? key : `${path}.${key}`));
    });
    const leaves = known.filter((path) => !objects.includes(path));
    const isPart = (path: string) => documented.some((value) => path.startsWith(`${value.path}.`));
    const accepted = ["enabled", "global", "replicaCount"];
    const maps = documented.map(({ path }) => path).filter((path) => objects.includes(path));
    expect([...leaves.filter((path) => !isPart(path)), ...maps].sort()).toEqual(
      [...documented.map(({ path }) => path), ...accepted].sort(),
    );
  });
});

/** What each constraint is there for: one step beyond it. */
const BEYOND: readonly (readonly [Values, at: string])[] = [
  [{ global: "x" }, "/global"],
  [{ enabled: "yes" }, "/enabled"],
  [{ replicaCount: -1 }, "/replicaCount"],
  [{ "image.repository": "" }, "/image/repository"],
  [{ "image.tag": "a b" }, "/image/tag"],
  [{ "server.healthPort": 0 }, "/server/healthPort"],
  [{ "server.healthPort": 65_536 }, "/server/healthPort"],
  [{ "server.metricsPort": 0 }, "/server/metricsPort"],
  [{ "server.providerUids": [-1] }, "/server/providerUids/0"],
  [{ "server.providerLease": `${"0".repeat(16)}1` }, "/server/providerLease"],
  [{ "server.simulate": -1 }, "/server/simulate"],
  [{ "logging.verbosity": -1 }, "/logging/verbosity"],
  [{ "nvml.driverRoot": "driver" }, "/nvml/driverRoot"],
  [{ "nvml.period": -1 }, "/nvml/period"],
  [{ "nvml.period": `${"0".repeat(16)}1` }, "/nvml/period"],
  [{ "nodeSelector.gpu": true }, "/nodeSelector/gpu"],
  [{ "priorityClass.value": -2_147_483_649 }, "/priorityClass/value"],
  [{ "updateStrategy.type": "Recreate" }, "/updateStrategy/type"],
  [{ "updateStrategy.rollingUpdate.maxUnavailable": 2_147_483_648 }, "/updateStrategy/rollingUpdate/maxUnavailable"],
  [{ "updateStrategy.rollingUpdate.maxUnavailable": "101%" }, "/updateStrategy/rollingUpdate/maxUnavailable"],
  [{ "metrics.serviceMonitor.interval": "30" }, "/metrics/serviceMonitor/interval"],
];

test.each(BEYOND)("%p is refused by its place, %s", (values, at) => {
  expect(placesOf(values)).toContain(at);
});

const isMap = (value: unknown) => kindOf(value) === "map";
const listsOfMaps = FLIPS.filter(({ to }) => Array.isArray(to) && to.every(isMap)).map(({ path }) => path);
/** Lists whose items an API server tells apart by their names. */
const NAMED = ["env", "extraVolumeMounts", "extraVolumes", "imagePullSecrets", "initContainers", "sidecars"];

test.each(listsOfMaps)("an item of %s that is no map is refused", (path) => {
  expect(placesOf({ [path]: [7] })).toEqual([`/${path.replaceAll(".", "/")}/0`]);
});

test.each(NAMED)("an item of %s without a name is refused", (path) => {
  expect(placesOf({ [path]: [{}] })).toEqual([`/${path}/0`]);
  expect(placesOf({ [path]: [{ name: "" }] })).toEqual([`/${path}/0/name`]);
});

/** A value of each kind, and what each value of the chart takes beside the kinds of its default and its flip. */
const KINDS: Readonly<Record<string, unknown>> = { truth: true, number: 7, text: "7", list: [7], map: { a: {} } };
const ALSO: Readonly<Record<string, readonly string[]>> = {
  "server.shutdownTimeout": ["text"],
  "server.shutdownDelay": ["text"],
  "server.providerLease": ["text"],
  "nvml.period": ["number"],
  "nvml.additionalIgnoredXids": ["number", "text"],
};

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "list";
  const kinds: Readonly<Record<string, string>> = { boolean: "truth", number: "number", string: "text" };
  return kinds[typeof value] ?? "map";
}

test.each(documented.map(({ path, fallback }) => [path, fallback] as const))(
  "a mistyped %s is refused",
  (path, fallback) => {
    const flip = FLIPS.find((each) => each.path === path);
    const taken = [kindOf(flip?.to), ...(fallback === null ? [] : [kindOf(fallback)]), ...(ALSO[path] ?? [])];
    const at = `/${path.replaceAll(".", "/")}`;
    for (const [kind, value] of Object.entries(KINDS)) {
      if (taken.includes(kind)) continue;
      expect([kind, placesOf({ [path]: value })]).toEqual([kind, expect.arrayContaining([at])]);
    }
  },
);
