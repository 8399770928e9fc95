import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { SECTIONS } from "../../scripts/dashboard.ts";
import { createFakeNvml, FAKE_NVML_LIBRARY } from "../../src/testing/fake-nvml.ts";
import { spawnBinary } from "../support/binary.ts";
import { Callers, playFaults } from "./faults.ts";
import { type PrometheusServer, startPrometheus } from "./prometheus-server.ts";
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
  const others = ["--node-name=gpu-7", "--provider-lease=1s", "--shutdown-timeout=4s"];
  const binary = open.use(await spawnBinary([...nvml, ...others], fake.env));
  callers = open.use(new Callers(binary));
  prometheus = open.use(await startPrometheus(new URL(binary.metricsUrl).host));
  await callers.come();
  // What was well before is seen to be, and counters are seen at 0.
  await until("a first evaluation", async () => (await prometheus.query(RECORDED.join(" or "))).length >= GPUS);
  playFaults(fake);
  await callers.callOnce();
  const stale = 'time() - timestamp(device_api_server_nvml_gpu_recommended_action{action="RESTART_BM"})';
  await until("the faults", async () => (await prometheus.query(stale)).length > 0);
  // Two scrapes more, for rates, and two evaluations.
  await Bun.sleep(3_000);
}, WAIT_MS);

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

/** A choice by several values becomes a selector for each: none of them may be dead. */
function choices({ metric, matchers }: Selector): Selector[] {
  const one = matchers.find(({ op, value }) => op === "=~" && /^[\w|-]+$/.test(value) && value.includes("|"));
  if (one === undefined) return [{ metric, matchers }];
  const rest = matchers.filter((matcher) => matcher !== one);
  return one.value
    .split("|")
    .flatMap((value) => choices({ metric, matchers: [...rest, { label: one.label, op: "=", value }] }));
}

/** As Grafana does it where all nodes are chosen. */
const inGrafana = (expr: string) => expr.replaceAll("$node", ".*").replaceAll("$__rate_interval", "10s");

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

  test("has an alert for each fault that was played, and no other", async () => {
    const active = (await prometheus.rules()).filter(({ state = "inactive" }) => state !== "inactive");
    const states = Object.fromEntries(active.map(({ name, state }) => [name.replace("DeviceAPIServer", ""), state]));
    expect(states).toEqual({
      UnhealthyGPUs: "pending",
      ProviderLost: "pending",
      NVMLEventsUnattributed: "firing",
      GPUXidErrors: "firing",
      GPUUncorrectedECC: "firing",
      GPUSRAMThresholdExceeded: "firing",
      GPURowRemapPending: "pending",
      GPURowRemapFailed: "firing",
      GPURetiredPages: "firing",
      GPUNVLinkDown: "pending",
      GPUTemperatureHigh: "pending",
    });
  });

  test("knows the share of good GPUs", async () => {
    const ratio = await prometheus.query("cluster:device_api_server_gpus_good:ratio");
    const byNode = await prometheus.query("node:device_api_server_gpus_good:ratio");
    const values = [...ratio, ...byNode].map(({ metric, value }) => [metric["node"], Number(value[1])]);
    expect(values).toEqual([
      [undefined, expect.any(Number)],
      ["gpu-7", values[0]?.[1]],
    ]);
    expect(Number(values[0]?.[1])).toBeLessThan(1);
  });

  for (const { name, expr } of expressions) {
    test(`has every series that ${name} asks for`, async () => {
      const labels = new Set<string>(OPTIONAL_LABELS);
      for (const selector of selectorsOf(expr).flatMap(choices)) {
        if (selector.matchers.some(({ label, value }) => label === "code" && FAULT_CODES.includes(value))) continue;
        const found = await prometheus.query(selectorText(selector));
        expect([selectorText(selector), found.length > 0]).toEqual([selectorText(selector), true]);
        for (const { metric } of found) for (const label of Object.keys(metric)) labels.add(label);
      }
      for (const label of groupingLabelsOf(expr)) expect([...labels]).toContain(label);
    });
  }

  for (const { title, queries, columns = [] } of panels) {
    test(`has data for the panel ${title}`, async () => {
      for (const { expr, legend } of queries) {
        const found = await prometheus.query(inGrafana(expr));
        expect([expr, found.length > 0]).toEqual([expr, true]);
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
    await callers.holdDrain();
    const ended = 'last_over_time(device_api_server_grpc_requests_total{code="UNAVAILABLE"}[1m])';
    expect((await prometheus.query(ended)).length).toBeGreaterThan(0);
    const down = async () => (await prometheus.rules()).find(({ name }) => name === "DeviceAPIServerDown")?.state;
    await until("DeviceAPIServerDown", async () => (await down()) === "pending");
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
