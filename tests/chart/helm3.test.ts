import { describe, expect, test } from "bun:test";
import { HELM3, hasHelm, hasHelm3, type KubeObject, objectsIn, render, templateBy } from "./helm.ts";

/** Both Helms install the chart. */

describe.skipIf(!hasHelm || !hasHelm3)("Helm 3", () => {
  const everything = {
    "nvml.enabled": true,
    "metrics.serviceMonitor.enabled": true,
    "metrics.podMonitor.enabled": true,
    "metrics.prometheusRule.enabled": true,
    "metrics.dashboard.enabled": true,
  };

  // Built from its module, Helm 3 takes the cluster that is not there for one of version 1.20.
  const CLUSTER = "--kube-version=1.30.0";

  test.each([[{}], [everything]])("renders %p as Helm 4 does", async (values) => {
    const sorted = (objects: readonly KubeObject[]) => {
      return objects.toSorted((a, b) => `${a.kind}/${a.metadata.name}`.localeCompare(`${b.kind}/${b.metadata.name}`));
    };
    const { out } = await templateBy(HELM3, values, CLUSTER);
    expect(sorted(objectsIn(out))).toEqual(sorted(await render(values, CLUSTER)));
  });

  test("refuses what Helm 4 refuses, by the value's path", async () => {
    const { ok, err } = await templateBy(HELM3, { "server.helthPort": 1 }, CLUSTER);
    expect([ok, err]).toEqual([false, expect.stringContaining("'helthPort' not allowed")]);
  });
});
