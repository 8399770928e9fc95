import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { SECTIONS } from "../../scripts/dashboard.ts";
import { createFakeNvml, FAKE_NVML_LIBRARY } from "../../src/testing/fake-nvml.ts";
import { spawnBinary } from "../support/binary.ts";
import { Callers, playFaults } from "./faults.ts";
import { type PrometheusServer, type Sample, startPrometheus } from "./prometheus-server.ts";
import { groupingLabelsOf, type Selector, selectorsOf, selectorText } from "./promql.ts";
import { ALERTS, RECORDED, RULES } from "./rule-files.ts";
import { PROMETHEUS } from "./tools.ts";

/**
 * A real Prometheus scrapes the compiled binary, on whose scripted GPUs faults are played: every rule is evaluated,
 * every panel has data, and what they ask for is there.
 */

/** A server must not end so by itself: the series are there from the first such call on. */
const FAULT_CODES = ["INTERNAL", "UNKNOWN", "UNAVAILABLE", "DATA_LOSS"];
/** A label that Prometheus is given where it serves several clusters; without it there is one, without a name. */
const OPTIONAL_LABELS = ["cluster"];
/** Against hangs; it takes some 10 s. */
const WAIT_MS = 60_000;
/** What the faults that are played raise. Some of it has to last before it fires. */
const PLAYED = [
  "GPUNVLinkDown",
  "GPURetiredPages",
  "GPURowRemapFailed",
  "GPURowRemapPending",
  "GPUSRAMThresholdExceeded",
  "GPUTemperatureHigh",
  "GPUUncorrectedECC",
  "GPUXidErrors",
  "NVMLEventsUnattributed",
  "ProviderLost",
  "UnhealthyGPUs",
];
const GPUS = 4;

let callers: Callers;
let prometheus: PrometheusServer;
const open = new AsyncDisposableStack();

const ready = PROMETHEUS !== undefined && existsSync(FAKE_NVML_LIBRARY);

beforeAll(async () => {
  if (!ready) return;
  const fake = open.use(createFakeNvml({ gpus: GPUS }));
  fake.command(`gpu ${GPUS - 1} with=pages pages_single=40 pages_double=10`);
  const nvml = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`, "--nvml-period=200ms"];
  const others = ["--node-name=gpu-7", "--provider-lease=1s", "--shutdown-timeout=1m"];
  const binary = open.use(await spawnBinary([...nvml, ...others], fake.env));
  callers = open.use(new Callers(binary));
  prometheus = open.use(await startPrometheus(new URL(binary.metricsUrl).host));
  await callers.come();
  // What was well before is seen to be, and counters are seen at 0.
  await until("a first evaluation", async () => (await prometheus.query(RECORDED.join(" or "))).length >= GPUS);
  await playFaults(fake);
  await callers.callOnce();
  for (const name of PLAYED) await until(`the alert ${name}`, async () => (await activeAlerts()).has(name));
}, 4 * WAIT_MS);

afterAll(async () => {
  await open.disposeAsync();
});

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what}: not in time`);
    await Bun.sleep(200);
  }
}

/** Those that are pending or firing, by their names without the first part, which is the same for all. */
async function activeAlerts(): Promise<ReadonlyMap<string, string>> {
  const rules = await prometheus.rules();
  const active = rules.filter(({ state = "inactive" }) => state !== "inactive");
  return new Map(active.map(({ name, state = "" }) => [name.replace("DeviceAPIServer", ""), state]));
}

/** What a query finds, once there is something: a scrape may be slow. */
async function samplesOf(expr: string): Promise<readonly Sample[]> {
  let found: readonly Sample[] = [];
  await until(expr, async () => {
    found = await prometheus.query(expr);
    return found.length > 0;
  });
  return found;
}

/** A choice by several values becomes a selector for each: none of them may be dead. */
function choices({ metric, matchers }: Selector): Selector[] {
  const one = matchers.find(({ op, value }) => op === "=~" && /^[\w|-]+$/.test(value) && value.includes("|"));
  if (one === undefined) return [{ metric, matchers }];
  const rest = matchers.filter((matcher) => matcher !== one);
  return one.value
    .split("|")
    .flatMap((value) => choices({ metric, matchers: [...rest, { label: one.label, op: "=", value }] }));
}

/** As Grafana does it where all nodes are chosen. A rate takes two scrapes, however slow they are. */
const inGrafana = (expr: string) => expr.replaceAll("$node", ".*").replaceAll("$__rate_interval", "1m");

const panels = SECTIONS.flatMap((section) => section.panels);
const expressions = [
  ...RULES.map(({ alert, record, expr }) => ({ name: alert ?? record ?? "", expr })),
  ...panels.map(({ title, queries }) => ({
    name: title,
    expr: inGrafana(queries.map(({ expr }) => expr).join(" or ")),
  })),
];

describe.skipIf(!ready)("a real Prometheus", () => {
  test("evaluates every rule without an error", async () => {
    const rules = await prometheus.rules();
    expect(rules.map(({ name }) => name).sort()).toEqual(
      RULES.map(({ alert, record }) => alert ?? record ?? "").sort(),
    );
    for (const { name, health, lastError } of rules) expect([name, health, lastError]).toEqual([name, "ok", undefined]);
  });

  test("has an alert for each fault that was played, and fires no other", async () => {
    const active = await activeAlerts();
    expect([...active.keys()]).toEqual(expect.arrayContaining(PLAYED));
    // On a machine that stalls, what has to last may begin and goes by.
    const firing = [...active].flatMap(([name, state]) => (state === "firing" ? name : []));
    expect(firing.filter((name) => !PLAYED.includes(name))).toEqual([]);
    const atOnce = ALERTS.filter((rule) => rule.for === undefined).map(({ alert }) =>
      alert.replace("DeviceAPIServer", ""),
    );
    expect(firing).toEqual(expect.arrayContaining(PLAYED.filter((name) => atOnce.includes(name))));
  });

  test("knows the share of good GPUs, in all and by node", async () => {
    const [inAll, byNode] = ["cluster", "node"].map((level) => `${level}:device_api_server_gpus_good:ratio`);
    await until("the same share below 1", async () => {
      const [all, node] = await Promise.all([samplesOf(inAll ?? ""), samplesOf(byNode ?? "")]);
      expect([all.length, node.length, node[0]?.metric["node"]]).toEqual([1, 1, "gpu-7"]);
      return all[0]?.value[1] === node[0]?.value[1] && Number(all[0]?.value[1]) < 1;
    });
  });

  for (const { name, expr } of expressions) {
    test(`has every series that ${name} asks for`, async () => {
      const labels = new Set<string>(OPTIONAL_LABELS);
      for (const selector of selectorsOf(expr).flatMap(choices)) {
        if (selector.matchers.some(({ label, value }) => label === "code" && FAULT_CODES.includes(value))) continue;
        const found = await samplesOf(selectorText(selector));
        for (const { metric } of found) for (const label of Object.keys(metric)) labels.add(label);
      }
      for (const label of groupingLabelsOf(expr)) expect([...labels]).toContain(label);
    });
  }

  for (const { title, queries, columns = [] } of panels) {
    test(`has data for the panel ${title}`, async () => {
      for (const { expr, legend } of queries) {
        const found = await samplesOf(inGrafana(expr));
        const named = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
        for (const { metric, value } of found) {
          expect(Object.keys(metric)).toEqual(
            expect.arrayContaining([...named, ...columns.filter((c) => c !== "Value")]),
          );
          expect(Number(value[1])).not.toBeNaN();
        }
      }
    });
  }

  /** The last: it ends the server. */
  test("sees the server's own errors, and that it is gone", async () => {
    const drain = await callers.holdDrain();
    const ended = 'device_api_server_grpc_requests_total{code="UNAVAILABLE"}';
    await until(ended, async () => (await prometheus.query(ended)).length > 0);
    await drain[Symbol.asyncDispose]();
    await until("DeviceAPIServerDown", async () => (await activeAlerts()).get("Down") === "pending");
  });
});

test("the codes that count as errors are those of the contract, in the alert and on the dashboard", () => {
  const chosen = expressions.flatMap(({ expr }) =>
    selectorsOf(expr).flatMap(({ matchers }) => matchers.filter(({ label, op }) => label === "code" && op === "=~")),
  );
  expect(chosen.length).toBe(2);
  for (const { value } of chosen) expect(value.split("|").sort()).toEqual([...FAULT_CODES].sort());
  expect(ALERTS.length).toBeGreaterThan(0);
});
