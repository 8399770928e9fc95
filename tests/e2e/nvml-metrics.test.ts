import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { waitsForEvents } from "../support/nvml-events.ts";

/** T-OBS-1 for NVML: every metric of docs/operations/nvml-metrics.md moves when what it tells of happens. */

const P = "device_api_server_nvml_";
const PAGE = "docs/operations/nvml-metrics.md";

/** Against hangs; never a limit on speed. */
const WAIT_MS = 30_000;
const STORM = 150_000;

/** Series by name and labels as written, without the prefix. */
type Series = ReadonlyMap<string, number>;

let fake: FakeNvml;
let binary: RunningBinary;
/** Of four GPUs: two H100, one with retired pages, and a T4, which has little. */
let uuids: readonly string[];
let text: string;
let now: Series;
/** The last value of each counter, over all scrapes, and those that went back. */
const counted = new Map<string, number>();
const wentBack: string[] = [];

beforeAll(async () => {
  fake = createFakeNvml({ gpus: 4 });
  fake.command("gpu 2 without=remap");
  fake.command("gpu 2 with=pages");
  fake.command("gpu 3 profile=t4");
  const times = ["--nvml-period=200ms", "--nvml-hang-timeout=3s", "--nvml-gone-after=1s"];
  const nvml = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`, ...times];
  binary = await spawnBinary(nvml, fake.env);
  const healthy = () => [...now].filter(([series, is]) => is === 1 && /^gpu_health.*"healthy"/.test(series));
  // On a busy machine the server does not wait for the first readings for ever.
  await until(() => healthy().length === 4 && value(nameOf("state", ["state", "running"])) === 1, "the GPUs");
  await waitsForEvents(fake);
  uuids = healthy().map(([series]) => /gpu="([^"]+)"/.exec(series)?.[1] ?? "");
});

afterAll(async () => {
  await binary.stop();
  fake[Symbol.dispose]();
});

/** Reads everything, and sees to it that no counter goes back. */
async function scrape(): Promise<Series> {
  text = await (await fetch(binary.metricsUrl)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(P));
  now = new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice(P.length, end), Number(line.slice(end + 1))];
    }),
  );
  for (const [series, value] of now) {
    if (!/_(total|sum|count)(\{|$)/.test(series) || series === "gpu_count") continue;
    if (value < (counted.get(series) ?? 0)) wentBack.push(`${series} ${value}`);
    counted.set(series, value);
  }
  return now;
}

async function until(holds: (series: Series) => boolean, what: string): Promise<Series> {
  const deadline = performance.now() + WAIT_MS;
  while (!holds(await scrape())) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}\n${[...now].join("\n")}`);
    await Bun.sleep(50);
  }
  return now;
}

const nameOf = (name: string, ...labels: readonly (readonly [string, string])[]) =>
  `${name}{${labels.map(([label, value]) => `${label}="${value}"`).join(",")}}`;

/** A series of one GPU. */
const of = (gpu: number, name: string, ...labels: readonly (readonly [string, string])[]) =>
  nameOf(name, ["gpu", uuids[gpu] ?? ""], ...labels);

const value = (series: string) => now.get(series);
const by = (name: string, call: string) => value(nameOf(name, ["function", call])) ?? 0;

/** Functions with series of any of their names. */
const seriesOf = (uuid: string) => [...now.keys()].filter((series) => series.includes(`gpu="${uuid}"`));

test("the metrics of the page are those of the server, name and type", () => {
  const rows = readFileSync(PAGE, "utf8").matchAll(/^\| `(device_api_server_nvml_\w+)` +\| (\w+)/gm);
  const documented = [...rows].map(([, name, type]) => `${name} ${type}`);
  const exposed = [...text.matchAll(/^# TYPE (device_api_server_nvml_\S+) (\S+)$/gm)].map(([, n, t]) => `${n} ${t}`);
  expect(documented.length).toBeGreaterThan(20);
  expect(documented.toSorted()).toEqual(exposed.toSorted());
});

test("before anything happens, all is well, and each GPU shows what it has", () => {
  expect(uuids.length).toBe(4);
  expect(value("gpu_count")).toBe(4);
  expect(value("provider_enabled")).toBe(1);
  expect(value("health_monitor_running")).toBe(1);
  expect(value(nameOf("state", ["state", "running"]))).toBe(1);
  expect(value(nameOf("driver_info", ["driver_version", "580.95.05"], ["nvml_version", "13.580.95.05"]))).toBe(1);
  expect(value("host_starts_total")).toBe(1);
  for (const name of ["host_crashes_total", "events_dropped_total", "events_unattributed_total"]) {
    expect([name, value(name)]).toEqual([name, 0]);
  }
  const t4 = seriesOf(uuids[3] ?? "").map((series) => series.slice(0, series.indexOf("{")));
  expect([...new Set(t4)].filter((name) => /nvlink|remap|retired|sram|action|xid/.test(name))).toEqual([]);
  expect(t4).toContain("gpu_temperature_celsius");
  expect(seriesOf(uuids[0] ?? "").filter((series) => series.startsWith("gpu_retired_pages"))).toEqual([]);
});

/** [command to a GPU, its series, before, after]. */
const READINGS: readonly (readonly [string, number, string, (readonly [string, string])[], number, number])[] = [
  ["gpu 0 temperature=71", 0, "gpu_temperature_celsius", [], 32, 71],
  ["gpu 0 power=345600", 0, "gpu_power_watts", [], 71, 345.6],
  ["gpu 0 ecc_volatile_corrected=5", 0, "gpu_ecc_errors", ecc("corrected", "volatile"), 0, 5],
  ["gpu 0 ecc_volatile_uncorrected=2", 0, "gpu_ecc_errors", ecc("uncorrected", "volatile"), 0, 2],
  ["gpu 0 ecc_aggregate_corrected=9", 0, "gpu_ecc_errors", ecc("corrected", "aggregate"), 0, 9],
  ["gpu 0 ecc_aggregate_uncorrected=3", 0, "gpu_ecc_errors", ecc("uncorrected", "aggregate"), 0, 3],
  ["gpu 0 sram_threshold=1", 0, "gpu_sram_ecc_threshold_exceeded", [], 0, 1],
  ["gpu 0 remapped_corrected=4", 0, "gpu_remapped_rows", [["severity", "corrected"]], 0, 4],
  ["gpu 0 remapped_uncorrected=6", 0, "gpu_remapped_rows", [["severity", "uncorrected"]], 0, 6],
  ["gpu 0 remap_pending=1", 0, "gpu_row_remap_pending", [], 0, 1],
  ["gpu 0 remap_failed=1", 0, "gpu_row_remap_failed", [], 0, 1],
  ["gpu 2 pages_single=7", 2, "gpu_retired_pages", [["cause", "single_bit"]], 0, 7],
  ["gpu 2 pages_double=8", 2, "gpu_retired_pages", [["cause", "double_bit"]], 0, 8],
  ["link 0 3 down", 0, "gpu_nvlinks", [["state", "up"]], 18, 17],
  ["link 0 3 down", 0, "gpu_nvlinks", [["state", "down"]], 0, 1],
];

function ecc(severity: string, lifetime: string): (readonly [string, string])[] {
  return [
    ["severity", severity],
    ["lifetime", lifetime],
  ];
}

test("each reading moves, and with it the GPU's health and advice", async () => {
  const series = READINGS.map(([, gpu, name, labels]) => of(gpu, name, ...labels));
  expect(series.map((name) => [name, value(name)])).toEqual(series.map((name, i) => [name, READINGS[i]?.[4]]));
  for (const [command] of READINGS) fake.command(command);
  await until(() => series.every((name, i) => value(name) === READINGS[i]?.[5]), "readings");
  expect(value(of(0, "gpu_health", ["state", "unhealthy"]))).toBe(1);
  expect(value(of(0, "gpu_health", ["state", "healthy"]))).toBe(0);
  expect(value(of(1, "gpu_health", ["state", "healthy"]))).toBe(1);
  expect(value(of(0, "gpu_recommended_action", ["action", "CONTACT_SUPPORT"]))).toBe(1);
});

test("a reset takes the volatile counters back, and advice that is no longer given is gone", async () => {
  fake.command("gpu 0 reset");
  fake.command("gpu 0 remap_failed=0 sram_threshold=0");
  fake.command("link 0 3 up");
  await until(() => value(of(0, "gpu_ecc_errors", ...ecc("uncorrected", "volatile"))) === 0, "the reset");
  await until(() => seriesOf(uuids[0] ?? "").every((series) => !series.startsWith("gpu_recommended")), "no advice");
  expect(value(of(0, "gpu_ecc_errors", ...ecc("uncorrected", "aggregate")))).toBe(3);
});

test("Xids are counted by GPU and code, those outside the catalogue as 0, and those of no GPU too", async () => {
  fake.command("xid 1 31 count=3");
  fake.command("xid 1 9999");
  fake.command("xid none 31");
  await until(() => value("events_unattributed_total") === 1, "the event without a GPU");
  expect(value(of(1, "xid_errors_total", ["xid", "31"]))).toBe(4);
  expect(value(of(1, "xid_errors_total", ["xid", "0"]))).toBe(1);
  expect(value(of(2, "xid_errors_total", ["xid", "31"]))).toBe(1);
});

test("events that are lost on their way are counted: each is either counted as an Xid, or as dropped", async () => {
  const before = value(of(1, "xid_errors_total", ["xid", "43"])) ?? 0;
  const waits = fake.calls("nvmlEventSetWait_v2");
  // While the server does not read, the pipe and then the ring of the host process run full.
  binary.process.kill("SIGSTOP");
  fake.command(`xid 1 43 count=${STORM}`);
  const deadline = performance.now() + WAIT_MS;
  while (fake.calls("nvmlEventSetWait_v2") < waits + STORM && performance.now() < deadline) await Bun.sleep(20);
  binary.process.kill("SIGCONT");
  const sum = () => (value(of(1, "xid_errors_total", ["xid", "43"])) ?? 0) + (value("events_dropped_total") ?? 0);
  await until(() => sum() >= before + STORM, "all of the storm");
  expect(sum()).toBe(before + STORM);
  expect(value("events_dropped_total")).toBeGreaterThan(0);
});

test("calls are counted and timed by function, the wait for events under its own name", async () => {
  const before = await scrape();
  const name = "nvmlDeviceGetPowerUsage";
  const [sum, count] = [by("call_duration_seconds_sum", name), by("call_duration_seconds_count", name)];
  fake.command(`fault ${name} delay_ms=60 times=2`);
  await until(() => by("call_longest_seconds", name) >= 0.06, "a slow call");
  await until(() => by("call_duration_seconds_sum", name) >= sum + 0.12, "two of them");
  expect(by("call_duration_seconds_count", name)).toBeGreaterThan(count);
  const waits = nameOf("call_duration_seconds_sum", ["function", "nvmlEventSetWait_v2"]);
  await until((series) => (series.get(waits) ?? 0) > (before.get(waits) ?? 0), "waits");
});

test("a lost event set is the state degraded", async () => {
  fake.command("fault nvmlEventSetCreate code=999");
  fake.command("fault nvmlEventSetWait_v2 code=999 times=1");
  await until(() => value(nameOf("state", ["state", "degraded"])) === 1, "degraded");
  expect(value("health_monitor_running")).toBe(1);
  fake.command("clear all");
  await until(() => value(nameOf("state", ["state", "running"])) === 1, "running");
});

test("a hang shows while it lasts, is counted by its function, and its length stays", async () => {
  const name = "nvmlDeviceGetTemperature";
  const before = await scrape();
  const hangs = nameOf("hangs_total", ["function", name]);
  const grew = (series: string) => (value(series) ?? Number.NaN) - (before.get(series) ?? Number.NaN);
  // What hardly ever changes is read anew by the next process.
  fake.command("gpu 1 slowdown=87");
  fake.command(`fault ${name} hang times=1`);
  await until(() => value(nameOf("state", ["state", "hung"])) === 1 && grew(hangs) > 0, "the hang");
  expect(value("health_monitor_running")).toBe(0);
  expect(value("call_running_seconds")).toBeGreaterThan(0.4);
  expect(value(of(1, "gpu_health", ["state", "unknown"]))).toBe(1);
  expect(value(of(1, "gpu_sample_age_seconds"))).toBeGreaterThan(0.4);
  await until(() => grew("host_starts_total") > 0 && value(nameOf("state", ["state", "running"])) === 1, "the next");
  expect(by("call_longest_seconds", name)).toBeGreaterThanOrEqual(2.5);
  expect(grew("host_crashes_total")).toBe(0);
  await until(() => value("call_running_seconds") === 0, "no call");
  await until(() => (value(of(1, "gpu_sample_age_seconds")) ?? 9) < 0.4, "a fresh reading");
  await until(() => value(of(1, "gpu_slowdown_temperature_celsius")) === 87, "the threshold");
});

test("a crash is counted, a driver that goes and another that comes are seen", async () => {
  const name = "nvmlDeviceGetPowerUsage";
  const before = await scrape();
  fake.install({ kind: "none" });
  fake.command(`fault ${name} crash times=1`);
  await until(() => (value("host_crashes_total") ?? 0) > (before.get("host_crashes_total") ?? 0), "the crash");
  await until(() => value(nameOf("state", ["state", "library-missing"])) === 1, "no library");
  const count = nameOf("call_duration_seconds_count", ["function", name]);
  expect(value(count)).toBeGreaterThanOrEqual(before.get(count) ?? Number.NaN);
  fake.command("set driver=590.1 nvml=13.590.1");
  fake.install({ kind: "whole" });
  const info = nameOf("driver_info", ["driver_version", "590.1"], ["nvml_version", "13.590.1"]);
  await until(() => value(info) === 1 && value(nameOf("state", ["state", "running"])) === 1, "the new driver");
  await until(() => (value(count) ?? 0) > (before.get(count) ?? Number.NaN), "calls");
  expect([...now.keys()].filter((series) => series.startsWith("driver_info")).length).toBe(1);
});

test("a GPU that is taken out takes its series with it", async () => {
  fake.command("gpu 1 present=0");
  const gone = of(1, "gpu_temperature_celsius");
  await until(() => value(gone) === undefined, "no reading");
  await until(() => value("gpu_count") === 3, "withdrawn");
  expect(seriesOf(uuids[1] ?? "")).toEqual([]);
});

test("no counter has gone back in all of this", () => {
  expect(counted.size).toBeGreaterThan(50);
  // A GPU that was taken out took its counters along.
  expect(wentBack).toEqual([]);
});
