import { describe, expect, test } from "bun:test";
import { selectorsOf } from "../alerts/promql.ts";
import { ALERTS, type Rule } from "../alerts/rule-files.ts";
import { at, CHART, hasHelm, type KubeObject, ofKind, render } from "./helm.ts";
import type { Values } from "./values.ts";

/** How Prometheus finds the metrics, and what the alerts and the dashboard get to see. */

const MONITORS = [
  ["ServiceMonitor", "metrics.serviceMonitor", "endpoints"],
  ["PodMonitor", "metrics.podMonitor", "podMetricsEndpoints"],
] as const;

const mapAt = (node: unknown, path: string) => (at(node, path) ?? {}) as Record<string, string>;
const namesOf = (node: unknown, path: string) => (at(node, path) as { name: string }[]).map(({ name }) => name);
const podOf = (objects: readonly KubeObject[]) => at(ofKind(objects, "DaemonSet"), "spec.template");

/** Names that are nobody's default, so that nothing fits by chance. */
const RENAMED: Values = { nameOverride: "gpus", fullnameOverride: "gpu-state" };

describe.skipIf(!hasHelm)("the Service", () => {
  test("leads to the pods' port for metrics", async () => {
    const objects = await render({ ...RENAMED, "server.metricsPort": 19_090 });
    const service = at(ofKind(objects, "Service"), "spec");
    expect(at(service, "ports")).toEqual([{ name: "metrics", port: 19_090, targetPort: "metrics" }]);
    expect(at(podOf(objects), "spec.containers.0.ports")).toContainEqual({ name: "metrics", containerPort: 19_090 });
    expect(mapAt(service, "selector")).toEqual({
      "app.kubernetes.io/name": "gpus",
      "app.kubernetes.io/instance": "gpu",
    });
    expect(mapAt(podOf(objects), "metadata.labels")).toMatchObject(mapAt(service, "selector"));
  });
});

describe.skipIf(!hasHelm)("each monitor", () => {
  test.each(MONITORS)("%s finds what it is to scrape", async (kind, path, endpoints) => {
    const objects = await render({ ...RENAMED, [`${path}.enabled`]: true });
    const monitor = ofKind(objects, kind);
    const wanted = mapAt(monitor, "spec.selector.matchLabels");
    expect(Object.keys(wanted)).toEqual(expect.arrayContaining(["app.kubernetes.io/instance"]));
    const ofPods = kind === "PodMonitor";
    const target = ofPods ? podOf(objects) : ofKind(objects, "Service");
    expect(mapAt(target, "metadata.labels")).toMatchObject(wanted);
    expect(at(monitor, "spec.namespaceSelector")).toEqual({ matchNames: ["gpu-ns"] });
    const ports = namesOf(target, ofPods ? "spec.containers.0.ports" : "spec.ports");
    expect(ports).toContain(String(at(monitor, `spec.${endpoints}.0.port`)));
    expect(at(monitor, `spec.${endpoints}.0.path`)).toBe("/metrics");
  });

  test.each(MONITORS)(
    "%s calls the job as the alerts do, whatever the objects are called",
    async (kind, path, endpoints) => {
      const more = { sourceLabels: ["__meta_kubernetes_namespace"], targetLabel: "ns" };
      const values = { ...RENAMED, [`${path}.enabled`]: true, [`${path}.relabelings`]: [more] };
      const relabelings = at(ofKind(await render(values), kind), `spec.${endpoints}.0.relabelings`);
      const job = "device-api-server";
      const node = { sourceLabels: ["__meta_kubernetes_pod_node_name"], targetLabel: "node" };
      expect(relabelings).toEqual([{ targetLabel: "job", replacement: job }, node, more]);
      const down = ALERTS.find(({ alert }) => alert === "DeviceAPIServerDown");
      const [matcher] = selectorsOf(down?.expr ?? "")[0]?.matchers ?? [];
      expect(matcher).toMatchObject({ label: "job", op: "=~" });
      expect(job).toMatch(new RegExp(`^(?:${matcher?.value})$`));
    },
  );
});

describe.skipIf(!hasHelm)("the PrometheusRule", () => {
  test("its alerts are there with NVML, and without it only the others", async () => {
    const namesIn = (groups: unknown) => (groups as readonly { name: string }[]).map(({ name }) => name);
    const rendered = async (values: object) => {
      const rule = ofKind(await render({ "metrics.prometheusRule.enabled": true, ...values }), "PrometheusRule");
      return namesIn(at(rule, "spec.groups")).sort();
    };
    const inFiles = async (...files: readonly string[]) => {
      const texts = await Promise.all(files.map((name) => Bun.file(`${CHART}/files/alerts/${name}.yaml`).text()));
      return texts.flatMap((text) => namesIn(at(Bun.YAML.parse(text), "groups"))).sort();
    };
    expect(await rendered({})).toEqual(await inFiles("recording", "server"));
    expect(await rendered({ "nvml.enabled": true })).toEqual(await inFiles("recording", "server", "nvml"));
  });
});

describe.skipIf(!hasHelm)("the alert on memory", () => {
  const DEFAULT = 201_326_592;
  const inFile = ALERTS.find(({ alert }) => alert === "DeviceAPIServerHighMemory");

  async function thresholdWith(values: Values): Promise<number> {
    const rule = ofKind(await render({ "metrics.prometheusRule.enabled": true, ...values }), "PrometheusRule");
    const rules = (at(rule, "spec.groups") as { rules: Rule[] }[]).flatMap(({ rules }) => rules);
    const { expr = "", ...rest } = rules.find(({ alert }) => alert === inFile?.alert) ?? {};
    const [, threshold = ""] = /^process_resident_memory_bytes > ([0-9]+)$/m.exec(expr) ?? [];
    // The number is all that differs.
    expect({ ...rest, expr: expr.replace(threshold, String(DEFAULT)) }).toEqual(inFile as Rule);
    return Number(threshold);
  }

  test("has three quarters of the chart's limit, as its file says", async () => {
    expect(await thresholdWith({})).toBe(DEFAULT);
  });

  test.each([
    ["128Mi", 100_663_296],
    ["1Gi", 805_306_368],
    ["0.5G", 375_000_000],
    ["400000k", 300_000_000],
    [400_000_000, 300_000_000],
  ])("has three quarters of a limit of %p", async (memory, expected) => {
    expect(await thresholdWith({ "resources.limits.memory": memory })).toBe(expected);
  });

  test.each([
    ["no resources", { resources: null }],
    ["no limits", { "resources.limits": null }],
    ["no limit of memory", { "resources.limits.memory": null }],
    ["a limit in another notation", { "resources.limits.memory": "128e6" }],
  ])("stays as it is with %s", async (_, values) => {
    expect(await thresholdWith(values)).toBe(DEFAULT);
  });
});

describe.skipIf(!hasHelm)("the ConfigMap", () => {
  test("has the dashboard unchanged", async () => {
    const config = ofKind(await render({ "metrics.dashboard.enabled": true }), "ConfigMap");
    const data = at(config, "data") as Record<string, string>;
    const file = Bun.file(`${CHART}/files/dashboards/device-api-server.json`);
    expect(JSON.parse(data["device-api-server.json"] ?? "")).toEqual(await file.json());
  });
});
