import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Processes, run, tryRun, until } from "./processes.ts";
import { CHART, helmUpgrade, NAMESPACE, RELEASE, type Scene, type Step, serverPod } from "./steps-server.ts";

const PROMETHEUS = "http://127.0.0.1:19090";
const WHERE = ["--namespace", NAMESPACE];
const REUSE = "--reuse-values";
const MONITORING = [
  "--set=metrics.serviceMonitor.enabled=true",
  "--set=metrics.prometheusRule.enabled=true",
  "--set=metrics.dashboard.enabled=true",
];

interface RuleGroups {
  readonly data: {
    readonly groups: readonly {
      readonly rules: readonly { readonly name: string; readonly health: string; readonly lastError?: string }[];
    }[];
  };
}

export const monitoringSteps: readonly Step[] = [
  {
    name: "ServiceMonitor and PrometheusRule are accepted by the operator's resource definitions",
    async play(scene) {
      const { cluster, bin } = scene;
      const files = readdirSync(join(bin, "crds")).filter((name) =>
        /_(servicemonitors|podmonitors|prometheusrules)\./.test(name),
      );
      for (const file of files) await cluster.kubectl("apply", "--server-side", "-f", join(bin, "crds", file));
      await cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s");
      await helmUpgrade(scene, REUSE, ...MONITORING);
      await cluster.kubectl("get", "servicemonitor,prometheusrule", RELEASE, ...WHERE);
      const bad = await tryRun(
        [
          join(bin, "kubectl"),
          "patch",
          "servicemonitor",
          RELEASE,
          ...WHERE,
          "--type=merge",
          `--patch={"spec":{"endpoints":[{"port":"metrics","interval":"soon"}]}}`,
        ],
        cluster.env,
      );
      if (bad.code === 0) throw new Error("a bad interval was accepted: the definitions check nothing");
    },
  },
  {
    name: "the rendered manifests of Helm 4 and Helm 3 are the same",
    async play({ cluster }) {
      const helm3 = Bun.which("helm3");
      if (helm3 === null) throw new Error("helm3 is missing: bun scripts/go-tools.ts helm3 makes it");
      const render = ["template", RELEASE, CHART, ...WHERE, "--set=nvml.enabled=true", ...MONITORING];
      const versions = ["--api-versions=monitoring.coreos.com/v1", "--kube-version=1.37.2"];
      const [four, three] = [await cluster.helm(...render, ...versions), await run([helm3, ...render, ...versions])];
      // Helm 4 leaves more empty lines.
      if (!Bun.deepEquals(Bun.YAML.parse(four), Bun.YAML.parse(three))) throw new Error("they differ");
    },
  },
  { name: "a real Prometheus scrapes the pod and evaluates every rule without error", play: prometheus },
];

/** With the rules as the cluster has them, and the pod's own address as the target. */
async function prometheus(scene: Scene): Promise<void> {
  const { cluster, run: folder } = scene;
  const rule = await cluster.json<{ spec: object }>("get", "prometheusrule", RELEASE, ...WHERE);
  writeFileSync(join(folder, "rules.json"), JSON.stringify(rule.spec));
  const { podIP } = (await serverPod(scene)).status;
  const config = {
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    rule_files: [join(folder, "rules.json")],
    scrape_configs: [
      {
        job_name: RELEASE,
        static_configs: [{ targets: [`${podIP}:9090`], labels: { namespace: NAMESPACE } }],
      },
    ],
  };
  writeFileSync(join(folder, "prometheus.json"), JSON.stringify(config));
  await using processes = new Processes(folder);
  processes.start("prometheus", [
    "prometheus",
    `--config.file=${folder}/prometheus.json`,
    `--storage.tsdb.path=${folder}/tsdb`,
    "--web.listen-address=127.0.0.1:19090",
  ]);
  await until("the target is up", async () => {
    processes.check();
    return (await query('up{job="device-api-server"}'))[0]?.value[1] === "1" || undefined;
  });
  const rules = await until("every rule evaluated", async () => {
    const { data } = (await (await fetch(`${PROMETHEUS}/api/v1/rules`)).json()) as RuleGroups;
    const all = data.groups.flatMap((group) => group.rules);
    return all.length > 0 && all.every(({ health }) => health !== "unknown") ? all : undefined;
  });
  const bad = rules.filter(({ health }) => health !== "ok").map(({ name, lastError }) => `${name}: ${lastError}`);
  if (bad.length > 0) throw new Error(bad.join("\n"));
  const gpus = (await query("device_api_server_cache_gpus_total"))[0]?.value[1];
  if (gpus !== "8") throw new Error(`Prometheus sees ${gpus} GPUs`);
}

async function query(text: string): Promise<readonly { readonly value: readonly [number, string] }[]> {
  const answer = await fetch(`${PROMETHEUS}/api/v1/query?query=${encodeURIComponent(text)}`);
  const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
  return data.result;
}
