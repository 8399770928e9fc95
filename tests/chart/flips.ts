import type { Config } from "../../src/server/config.ts";
import type { Values } from "./values.ts";

/** One value of the chart, set to something else than its default. */
export interface Flip {
  readonly path: string;
  readonly to: unknown;
  /** What else has to be set, so that the value counts. */
  readonly beside?: Values;
  /** What the server makes of it, for a value that is a flag of the server. */
  readonly config?: readonly [read: (config: Config) => unknown, expected: unknown];
}

const monitor = (path: string): readonly Flip[] =>
  [
    ["namespace", "monitoring"],
    ["labels", { release: "prometheus" }],
    ["interval", "15s"],
    ["scrapeTimeout", "5s"],
    ["metricRelabelings", [{ sourceLabels: ["__name__"], regex: "process_.*", action: "drop" }]],
    ["relabelings", [{ sourceLabels: ["__meta_kubernetes_namespace"], targetLabel: "ns" }]],
  ].map(([name, to]) => ({ path: `${path}.${name}`, to, beside: { [`${path}.enabled`]: true } }));

const NVML = { "nvml.enabled": true };
const PEER = [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } } }];

/** Every documented value once; a test says so. Each gives objects that an API server takes. */
export const FLIPS: readonly Flip[] = [
  { path: "image.repository", to: "localhost/device-api-server" },
  { path: "image.pullPolicy", to: "Never" },
  { path: "image.tag", to: "v9" },
  { path: "image.digest", to: `sha256:${"0".repeat(64)}` },
  { path: "imagePullSecrets", to: [{ name: "pull" }] },
  { path: "nameOverride", to: "gpus" },
  { path: "fullnameOverride", to: "gpu-state" },

  {
    path: "server.unixSocket",
    to: "/run/gpus/api.sock",
    config: [(c) => c.grpc.unixSockets[0], "/run/gpus/api.sock"],
  },
  { path: "server.grpcAddress", to: "", config: [(c) => c.grpc.tcp, undefined] },
  {
    path: "server.insecureBind",
    to: true,
    beside: { "server.grpcAddress": ":50051" },
    config: [(c) => c.grpc.tcp?.loopback, false],
  },
  { path: "server.healthPort", to: 18_081, config: [(c) => c.http.healthPort, 18_081] },
  { path: "server.metricsPort", to: 19_090, config: [(c) => c.http.metricsPort, 19_090] },
  { path: "server.uiAddress", to: "127.0.0.1:18082", config: [(c) => c.ui?.port, 18_082] },
  { path: "server.shutdownTimeout", to: "1m30s", config: [(c) => c.shutdown.timeoutMs, 90_000] },
  { path: "server.shutdownDelay", to: 7, config: [(c) => c.shutdown.delayMs, 7_000] },
  {
    path: "server.providerUids",
    to: [0, 1_234_567],
    config: [(c) => [...c.authority.providerUids], [0, 1_234_567]],
  },
  { path: "server.providerGids", to: [2_000_000], config: [(c) => [...c.authority.providerGids], [2_000_000]] },
  {
    path: "server.providers",
    to: { "health-monitor": 1_500_000, dcgm: 7 },
    config: [
      (c) => [...c.authority.boundProviders].sort(),
      [
        ["dcgm", 7],
        ["health-monitor", 1_500_000],
      ],
    ],
  },
  { path: "server.providerLease", to: 90, config: [(c) => c.providerLeaseMs, 90_000] },
  { path: "server.invertedConditions", to: ["*Bad", "Odd"], config: [(c) => c.conditions.inverted, ["*Bad", "Odd"]] },
  { path: "server.advisoryConditions", to: [], config: [(c) => c.conditions.advisory, []] },
  { path: "server.simulate", to: 8, config: [(c) => c.simulatedGpus, 8] },
  { path: "server.extraArgs", to: ["--max-connections=1000"], config: [(c) => c.grpc.maxConnections, 1_000] },

  { path: "socket.group", to: 4_321_000 },
  { path: "socket.legacyPath", to: "", config: [(c) => c.grpc.unixSockets, ["/var/run/device-api/device.sock"]] },
  { path: "socket.prepare.enabled", to: false },
  { path: "socket.prepare.resources", to: { limits: { memory: "128Mi" } } },

  { path: "logging.verbosity", to: 4, config: [(c) => c.log.verbosity, 4] },
  { path: "logging.format", to: "text", config: [(c) => c.log.format, "text"] },

  { path: "nvml.enabled", to: true, config: [(c) => c.nvml.enabled, true] },
  { path: "nvml.driverRoot", to: "/driver", beside: NVML, config: [(c) => c.nvml.driverRoot, "/driver"] },
  { path: "nvml.hostDriverRoot", to: "/", beside: NVML, config: [(c) => c.nvml.driverRoot, "/run/nvidia/driver"] },
  {
    path: "nvml.additionalIgnoredXids",
    to: [13, 31],
    beside: NVML,
    config: [(c) => [...c.nvml.ignoredXids], [13, 31]],
  },
  { path: "nvml.healthCheckEnabled", to: false, beside: NVML, config: [(c) => c.nvml.healthCheck, false] },
  { path: "nvml.period", to: "2s", beside: NVML, config: [(c) => c.nvml.periodMs, 2_000] },
  { path: "nvml.mig", to: true, beside: NVML, config: [(c) => c.nvml.mig, true] },

  { path: "runtimeClassName", to: "nvidia-legacy" },
  { path: "serviceAccount.create", to: false },
  { path: "serviceAccount.name", to: "gpus" },
  { path: "serviceAccount.annotations", to: { team: "gpu" } },
  { path: "serviceAccount.automountServiceAccountToken", to: true },
  { path: "rbac.create", to: false },

  { path: "podAnnotations", to: { team: "gpu" } },
  { path: "podLabels", to: { team: "gpu" } },
  { path: "podSecurityContext", to: { runAsUser: 2_000_000 } },
  { path: "securityContext", to: { privileged: true, allowPrivilegeEscalation: true } },
  { path: "resources", to: { limits: { memory: "512Mi" } } },
  { path: "hostNetwork", to: true },
  { path: "nodeSelector", to: { "gpu-node": "yes" } },
  { path: "tolerations", to: [{ operator: "Exists" }] },
  {
    path: "affinity",
    to: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: "gpu-node", operator: "Exists" }] }],
        },
      },
    },
  },
  { path: "priorityClassName", to: "system-node-critical" },
  { path: "priorityClass.create", to: false },
  { path: "priorityClass.value", to: 1_000_000 },
  { path: "livenessProbe", to: { failureThreshold: 9 } },
  { path: "readinessProbe", to: { periodSeconds: 3 } },
  { path: "startupProbe", to: { failureThreshold: 60 } },
  { path: "updateStrategy", to: { rollingUpdate: { maxUnavailable: "10%" } } },

  { path: "service.type", to: "NodePort" },
  { path: "service.annotations", to: { "prometheus.io/scrape": "true" } },
  { path: "metrics.enabled", to: false },
  { path: "metrics.serviceMonitor.enabled", to: true },
  ...monitor("metrics.serviceMonitor"),
  { path: "metrics.podMonitor.enabled", to: true },
  ...monitor("metrics.podMonitor"),
  { path: "metrics.prometheusRule.enabled", to: true },
  ...["namespace", "labels", "additionalRules"].map((name) => ({
    path: `metrics.prometheusRule.${name}`,
    to: { namespace: "monitoring", labels: { a: "b" }, additionalRules: [{ record: "a:b:c", expr: "1" }] }[name],
    beside: { "metrics.prometheusRule.enabled": true },
  })),
  { path: "metrics.dashboard.enabled", to: true },
  ...["namespace", "labels", "annotations"].map((name) => ({
    path: `metrics.dashboard.${name}`,
    to: { namespace: "monitoring", labels: { a: "b" }, annotations: { grafana_folder: "GPU" } }[name],
    beside: { "metrics.dashboard.enabled": true },
  })),

  { path: "networkPolicy.enabled", to: false },
  { path: "networkPolicy.metricsFrom", to: PEER },
  {
    path: "networkPolicy.grpcFrom",
    to: PEER,
    beside: { "server.insecureBind": true, "server.grpcAddress": "0.0.0.0:50051" },
  },
  { path: "networkPolicy.egress", to: [{ to: PEER }] },

  {
    path: "env",
    to: [
      { name: "TZ", value: "UTC" },
      { name: "NODE_NAME", value: "other" },
    ],
  },
  { path: "extraVolumes", to: [{ name: "more", emptyDir: {} }] },
  {
    path: "extraVolumeMounts",
    to: [{ name: "more", mountPath: "/more" }],
    beside: { extraVolumes: [{ name: "more", emptyDir: {} }] },
  },
  { path: "initContainers", to: [{ name: "first", image: "localhost/first" }] },
  { path: "sidecars", to: [{ name: "beside", image: "localhost/beside" }] },
];

const POD_AND_TEST = ["DaemonSet", "Pod"];
/** Kinds of objects that a value changes, by the begin of its path; the longest counts. The Pod is that of the test. */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  "": ["DaemonSet"],
  affinity: POD_AND_TEST,
  fullnameOverride: ["DaemonSet", "NetworkPolicy", "Pod", "PriorityClass", "Service", "ServiceAccount"],
  hostNetwork: POD_AND_TEST,
  image: POD_AND_TEST,
  "metrics.dashboard": ["ConfigMap"],
  "metrics.enabled": ["Service"],
  "metrics.podMonitor": ["PodMonitor"],
  "metrics.prometheusRule": ["PrometheusRule"],
  "metrics.serviceMonitor": ["ServiceMonitor"],
  nameOverride: ["DaemonSet", "NetworkPolicy", "Pod", "PriorityClass", "Service", "ServiceAccount"],
  networkPolicy: ["NetworkPolicy"],
  nodeSelector: POD_AND_TEST,
  priorityClass: ["DaemonSet", "PriorityClass"],
  "rbac.create": [],
  resources: POD_AND_TEST,
  "server.insecureBind": ["DaemonSet", "NetworkPolicy"],
  "server.metricsPort": ["DaemonSet", "Service"],
  "server.unixSocket": POD_AND_TEST,
  service: ["Service"],
  serviceAccount: ["DaemonSet", "ServiceAccount"],
  "serviceAccount.annotations": ["ServiceAccount"],
  "socket.group": POD_AND_TEST,
  tolerations: POD_AND_TEST,
};

/** The kinds of the objects that are others with the flip than without it, sorted. */
export function kindsChangedBy({ path }: Flip): readonly string[] {
  const prefixes = Object.keys(CHANGES).filter((prefix) => path.startsWith(prefix));
  return CHANGES[prefixes.sort((a, b) => b.length - a.length)[0] ?? ""] ?? [];
}

/** What to set for a flip. */
export function valuesOf(flip: Flip): Values {
  return { ...flip.beside, [flip.path]: flip.to };
}
