import { describe, expect, test } from "bun:test";
import { defaultsOf } from "../../scripts/chart-defaults.ts";
import { documentedValues } from "../../scripts/chart-readme.ts";
import { at, CHART, hasHelm, objectsIn, ofKind, renderServer, stringsAt, template } from "./helm.ts";
import type { Values } from "./values.ts";

/** A values file may set anything to null, or leave it empty behind its colon. */

const yaml = await Bun.file(`${CHART}/values.yaml`).text();
const withDefault = Object.keys(
  Bun.YAML.parse(defaultsOf(yaml, await Bun.file(`${CHART}/values.schema.json`).json())) as object,
);
const without = documentedValues(yaml).flatMap(({ path }) => (withDefault.includes(path) ? [] : path));

const allNull = (paths: readonly string[]): Values => Object.fromEntries(paths.map((path) => [path, null]));

/** So that what stands behind a switch is rendered. */
const SWITCHED_ON: Values = {
  "nvml.enabled": true,
  "metrics.serviceMonitor.enabled": true,
  "metrics.podMonitor.enabled": true,
  "metrics.prometheusRule.enabled": true,
  "metrics.dashboard.enabled": true,
};

async function rendered(values: Values): Promise<string> {
  const { ok, out, err } = await template(values);
  expect([ok, err]).toEqual([true, ""]);
  return out;
}

describe.skipIf(!hasHelm)("null", () => {
  test.each([[{}], [SWITCHED_ON]])("is the default, for every value that has one, beside %p", async (beside) => {
    expect(withDefault.length).toBeGreaterThan(50);
    expect(await rendered({ ...allNull(withDefault), ...beside })).toBe(await rendered(beside));
  });

  test("is the default for whole groups of values", async () => {
    const groups = [
      ...new Set(withDefault.flatMap((path) => (path.includes(".") ? path.split(".")[0] : []))),
    ] as string[];
    expect(groups).toContain("server");
    expect(await rendered(allNull(groups))).toBe(await rendered({ "metrics.dashboard.labels": null }));
  });

  test("takes the rest away, and no flag with it", async () => {
    expect(without).toEqual(expect.arrayContaining(["nodeSelector", "tolerations", "resources", "server.providers"]));
    const out = await rendered({ ...SWITCHED_ON, ...allNull(without) });
    expect(out).not.toContain("<nil>");
    const pod = at(ofKind(objectsIn(out), "DaemonSet"), "spec.template.spec");
    expect(stringsAt(pod, "containers.0.args")).toEqual(stringsAt(await renderServer(SWITCHED_ON), "args"));
    for (const name of ["nodeSelector", "tolerations", "securityContext", "containers.0.resources"]) {
      expect([name, at(pod, name)]).toEqual([name, undefined]);
    }
  });

  test("gives nobody the right to write, and no token", async () => {
    const out = await rendered({ "server.providerGids": null, "serviceAccount.automountServiceAccountToken": null });
    const server = ofKind(objectsIn(out), "DaemonSet");
    expect(stringsAt(server, "spec.template.spec.containers.0.args")).toContain("--provider-gids=");
    const tokens = [...out.matchAll(/automountServiceAccountToken: (.*)/g)].map(([, mounted]) => mounted);
    expect(tokens).toEqual(["false", "false", "false"]);
  });
});
