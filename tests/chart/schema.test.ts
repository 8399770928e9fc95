import { describe, expect, test } from "bun:test";
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

  test.each([
    [{ servr: {} }, "'servr' not allowed"],
    [{ "server.helthPort": 1 }, "'helthPort' not allowed"],
    [{ "nvml.enable": true }, "'enable' not allowed"],
    [{ "metrics.serviceMonitor.intervall": "1s" }, "'intervall' not allowed"],
    [{ "socket.prepare.enable": true }, "'enable' not allowed"],
    [{ "networkPolicy.from": [] }, "'from' not allowed"],
    [{ "server.healthPort": "8081" }, "/server/healthPort"],
    [{ "server.metricsPort": 70_000 }, "/server/metricsPort"],
    [{ "server.unixSocket": "device.sock" }, "/server/unixSocket"],
    [{ "server.unixSocket": `/run/${"x".repeat(100)}/a.sock` }, "/server/unixSocket"],
    [{ "server.grpcAddress": "localhost" }, "/server/grpcAddress"],
    [{ "server.uiAddress": "0.0.0.0:8082" }, "/server/uiAddress"],
    [{ "server.uiAddress": ":8082" }, "/server/uiAddress"],
    [{ "server.shutdownTimeout": "soon" }, "/server/shutdownTimeout"],
    [{ "server.shutdownDelay": -1 }, "/server/shutdownDelay"],
    [{ "server.providerUids": "0" }, "/server/providerUids"],
    [{ "server.providerGids": [4_294_967_295] }, "/server/providerGids/0"],
    [{ "server.providers": { a: "b" } }, "/server/providers/a"],
    [{ "server.extraArgs": ["v=4"] }, "/server/extraArgs/0"],
    [{ "socket.group": "gpu" }, "/socket/group"],
    [{ "logging.format": "xml" }, "/logging/format"],
    [{ "logging.verbosity": 11 }, "/logging/verbosity"],
    [{ "nvml.enabled": "true" }, "/nvml/enabled"],
    [{ "nvml.period": "often" }, "/nvml/period"],
    [{ "nvml.additionalIgnoredXids": "a" }, "/nvml/additionalIgnoredXids"],
    [{ "image.pullPolicy": "Sometimes" }, "/image/pullPolicy"],
    [{ "image.digest": "sha256:1" }, "/image/digest"],
    [{ "updateStrategy.rollingUpdate.maxSurge": 1 }, "/updateStrategy/rollingUpdate/maxSurge"],
    [{ "updateStrategy.rollingUpdate.maxUnavailable": 0 }, "/updateStrategy/rollingUpdate/maxUnavailable"],
    [{ "service.type": "ExternalName" }, "/service/type"],
    [{ "priorityClass.value": 2_000_000_000 }, "/priorityClass/value"],
    [{ env: [{ value: "x" }] }, "/env/0"],
    [{ tolerations: {} }, "/tolerations"],
  ])("refuses %p and says where", async (values, message) => {
    const { ok, err } = await template(values);
    expect([ok, err]).toEqual([false, expect.stringContaining(message)]);
  });

  test.each([
    [{ env: [{ name: "BUN_OPTIONS", value: "--preload=/x.js" }] }, "env: BUN_OPTIONS is refused"],
    [{ env: [{ name: "BUN_BE_BUN", value: "1" }] }, "env: BUN_BE_BUN is refused"],
    [{ "server.grpcAddress": "0.0.0.0:50051" }, "server.grpcAddress: 0.0.0.0:50051 is not a loopback address"],
    [{ "server.unixSocket": "/var/run/device.sock" }, "/var/run/device.sock is not in a folder of its own"],
    [{ "socket.legacyPath": "/run/device.sock" }, "/run/device.sock is not in a folder of its own"],
    [{ "server.unixSocket": "", "socket.legacyPath": "", "server.grpcAddress": "" }, "nobody can reach the server"],
    [{ "nvml.enabled": true, "nvml.hostDriverRoot": "/", "nvml.driverRoot": "/" }, "nvml.driverRoot: /"],
  ])("refuses %p, which is well-formed, with the reason", async (values, message) => {
    const { ok, err } = await template(values);
    expect([ok, err]).toEqual([false, expect.stringContaining(message)]);
  });
});

/** Everything that existing values files set, with the Go chart's defaults. */
const GO_CHART_VALUES = {
  replicaCount: 1,
  image: { repository: "example/device-api-server", pullPolicy: "IfNotPresent", tag: "" },
  imagePullSecrets: [],
  nameOverride: "",
  fullnameOverride: "",
  server: {
    grpcAddress: ":50051",
    unixSocket: "/var/run/device-api/device.sock",
    healthPort: 8081,
    metricsPort: 9090,
    shutdownTimeout: 30,
    shutdownDelay: 5,
  },
  logging: { verbosity: 0, format: "json" },
  nvml: { enabled: true, driverRoot: "/run/nvidia/driver", additionalIgnoredXids: "", healthCheckEnabled: true },
  runtimeClassName: "",
  serviceAccount: { create: true, name: "", annotations: {}, automountServiceAccountToken: true },
  rbac: { create: true },
  podAnnotations: {},
  podLabels: {},
  podSecurityContext: {},
  securityContext: { readOnlyRootFilesystem: true },
  resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { cpu: "200m", memory: "256Mi" } },
  nodeSelector: { "nvidia.com/gpu.present": "true" },
  tolerations: [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }],
  affinity: {},
  priorityClassName: "",
  livenessProbe: { httpGet: { path: "/healthz", port: "health" }, initialDelaySeconds: 5, periodSeconds: 10 },
  readinessProbe: { httpGet: { path: "/readyz", port: "health" }, initialDelaySeconds: 5, periodSeconds: 10 },
  updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
  service: { type: "ClusterIP", annotations: {} },
  metrics: {
    enabled: true,
    serviceMonitor: {
      enabled: true,
      namespace: "",
      labels: {},
      interval: "30s",
      scrapeTimeout: "10s",
      metricRelabelings: [],
      relabelings: [],
    },
    prometheusRule: { enabled: true, namespace: "", labels: {}, additionalRules: [] },
  },
  env: [],
  extraVolumes: [],
  extraVolumeMounts: [],
  initContainers: [],
  sidecars: [],
};
