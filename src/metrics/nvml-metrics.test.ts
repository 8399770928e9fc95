import { describe, expect, test } from "bun:test";
import { createMetrics } from "./metrics.ts";
import { NVML_METRICS } from "./nvml-metrics.ts";
import type { NvmlGpuSource, NvmlSource } from "./nvml-source.ts";

const P = "device_api_server_nvml_";

const gpu: NvmlGpuSource = {
  uuid: "GPU-a",
  health: "healthy",
  action: "",
  xids: new Map(),
  sample: {
    temperatureC: 41,
    slowdownC: 90,
    powerMw: 120_500,
    eccVolatileCorrected: 1n,
    eccVolatileUncorrected: 2n,
    eccAggregateCorrected: 3n,
    eccAggregateUncorrected: 4n,
    remappedRows: { corrected: 5, uncorrected: 6, pending: true, failed: false },
    retiredPages: { singleBit: 7, doubleBit: 8 },
    sramEcc: { thresholdExceeded: true },
    nvLinks: [{ active: true }, { active: false }, { active: true }],
  },
  sampleAgeMs: 250,
};

/** A GPU that has nothing of all this. */
const bare: NvmlGpuSource = {
  ...gpu,
  uuid: "GPU-b",
  sample: {
    temperatureC: undefined,
    slowdownC: undefined,
    powerMw: undefined,
    eccVolatileCorrected: undefined,
    eccVolatileUncorrected: undefined,
    eccAggregateCorrected: undefined,
    eccAggregateUncorrected: undefined,
    remappedRows: undefined,
    retiredPages: undefined,
    sramEcc: undefined,
    nvLinks: [],
  },
};

const quiet: NvmlSource = {
  state: "running",
  monitorRunning: true,
  driverVersion: "580.10",
  nvmlVersion: "13.580.10",
  gpus: [],
  hostStarts: 1,
  hostCrashes: 0,
  hangs: new Map(),
  runningCall: undefined,
  calls: new Map(),
  longestCallMs: new Map(),
  eventsDropped: 0,
  eventsUnattributed: 0,
};

/** How often the source is read. */
let reads = 0;

/** One scrape, the series of NVML by name and labels as written, without the prefix. */
async function scrape(source: NvmlSource | undefined): Promise<Record<string, number>> {
  const lines = (await textOf(source)).split("\n").filter((line) => line.startsWith(P));
  return Object.fromEntries(
    lines.map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice(P.length, end), Number(line.slice(end + 1))];
    }),
  );
}

function textOf(source: NvmlSource | undefined): Promise<string> {
  return createMetrics({
    version: "1",
    node: "n",
    methods: [],
    sources: {
      gpus: () => ({ healthy: 0, unhealthy: 0, unknown: 0 }),
      resourceVersion: () => 0,
      watchStreams: () => 0,
      providers: () => ({ active: 0, lost: 0 }),
      connections: () => new Map(),
      eventLoopLag: () => ({ lastMs: 0, worstMs: 0 }),
      nvml() {
        reads++;
        return source;
      },
    },
  }).text();
}

const ofGpu = (series: Record<string, number>, uuid: string) =>
  Object.fromEntries(Object.entries(series).filter(([name]) => name.includes(`gpu="${uuid}"`)));

test("where the provider is off, it says so and nothing else", async () => {
  expect(await scrape(undefined)).toEqual({ provider_enabled: 0, gpu_count: 0, health_monitor_running: 0 });
});

test("where it is on, every family is there with its help and type, also the empty ones, each once", async () => {
  const text = await textOf(quiet);
  for (const kind of ["HELP", "TYPE"]) {
    const found = [...text.matchAll(new RegExp(`^# ${kind} (${P}\\S+) \\S`, "gm"))].map(([, name]) => name);
    expect(found).toEqual(NVML_METRICS.map(({ name }) => `${P}${name}`));
  }
});

test("names are those of their type, and the text ends as the format wants", async () => {
  for (const { name, type } of NVML_METRICS)
    expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
  const text = await textOf({ ...quiet, gpus: [gpu] });
  expect(text).toEndWith("\n");
  for (const line of text.split("\n")) {
    expect(line).toMatch(/^$|^# (HELP|TYPE) [a-z_]+ .+$|^[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+.e\d]+$/);
  }
});

test("the source is read once for each scrape", async () => {
  reads = 0;
  await scrape({ ...quiet, gpus: [gpu, bare] });
  expect(reads).toBe(1);
});

describe("a GPU", () => {
  test("shows all that was read of it, in base units", async () => {
    expect(ofGpu(await scrape({ ...quiet, gpus: [gpu] }), "GPU-a")).toEqual({
      'gpu_health{gpu="GPU-a",state="healthy"}': 1,
      'gpu_health{gpu="GPU-a",state="unhealthy"}': 0,
      'gpu_health{gpu="GPU-a",state="unknown"}': 0,
      'gpu_sample_age_seconds{gpu="GPU-a"}': 0.25,
      'gpu_temperature_celsius{gpu="GPU-a"}': 41,
      'gpu_slowdown_temperature_celsius{gpu="GPU-a"}': 90,
      'gpu_power_watts{gpu="GPU-a"}': 120.5,
      'gpu_ecc_errors{gpu="GPU-a",severity="corrected",lifetime="volatile"}': 1,
      'gpu_ecc_errors{gpu="GPU-a",severity="uncorrected",lifetime="volatile"}': 2,
      'gpu_ecc_errors{gpu="GPU-a",severity="corrected",lifetime="aggregate"}': 3,
      'gpu_ecc_errors{gpu="GPU-a",severity="uncorrected",lifetime="aggregate"}': 4,
      'gpu_sram_ecc_threshold_exceeded{gpu="GPU-a"}': 1,
      'gpu_remapped_rows{gpu="GPU-a",severity="corrected"}': 5,
      'gpu_remapped_rows{gpu="GPU-a",severity="uncorrected"}': 6,
      'gpu_row_remap_pending{gpu="GPU-a"}': 1,
      'gpu_row_remap_failed{gpu="GPU-a"}': 0,
      'gpu_retired_pages{gpu="GPU-a",cause="single_bit"}': 7,
      'gpu_retired_pages{gpu="GPU-a",cause="double_bit"}': 8,
      'gpu_nvlinks{gpu="GPU-a",state="up"}': 2,
      'gpu_nvlinks{gpu="GPU-a",state="down"}': 1,
    });
  });

  test("that does not have something does not show it, not even as 0", async () => {
    const series = ofGpu(await scrape({ ...quiet, gpus: [gpu, bare] }), "GPU-b");
    expect(Object.keys(series).filter((name) => !name.startsWith("gpu_health"))).toEqual([
      'gpu_sample_age_seconds{gpu="GPU-b"}',
    ]);
  });

  test("that was never read shows its health alone", async () => {
    const series = await scrape({ ...quiet, gpus: [{ ...gpu, sample: undefined, sampleAgeMs: undefined }] });
    expect(Object.keys(ofGpu(series, "GPU-a")).every((name) => name.startsWith("gpu_health"))).toBe(true);
  });

  test("whose driver says 0 for the slowdown has no such threshold", async () => {
    const sample = gpu.sample === undefined ? undefined : { ...gpu.sample, slowdownC: 0 };
    const series = await scrape({ ...quiet, gpus: [{ ...gpu, sample }] });
    expect(Object.keys(series).filter((name) => name.startsWith("gpu_slowdown"))).toEqual([]);
  });

  test.each(["healthy", "unhealthy", "unknown"] as const)(
    "that is %s is 1 in that state and 0 in the others",
    async (health) => {
      const series = await scrape({ ...quiet, gpus: [{ ...gpu, health }] });
      for (const state of ["healthy", "unhealthy", "unknown"]) {
        expect(series[`gpu_health{gpu="GPU-a",state="${state}"}`]).toBe(Number(state === health));
      }
    },
  );

  test("shows its action and its Xids by code, those outside the catalogue as 0", async () => {
    const xids = new Map([
      [79, 1],
      [0, 3],
    ]);
    const series = await scrape({ ...quiet, gpus: [{ ...gpu, action: "COMPONENT_RESET", xids }] });
    expect(series).toMatchObject({
      'gpu_recommended_action{gpu="GPU-a",action="COMPONENT_RESET"}': 1,
      'xid_errors_total{gpu="GPU-a",xid="79"}': 1,
      'xid_errors_total{gpu="GPU-a",xid="0"}': 3,
    });
  });
});

describe("the provider", () => {
  test("shows its state, its versions, and its counters", async () => {
    const source: NvmlSource = { ...quiet, state: "hung", hostStarts: 3, hostCrashes: 2, monitorRunning: false };
    expect(await scrape({ ...source, eventsDropped: 5, eventsUnattributed: 6, gpus: [gpu] })).toMatchObject({
      provider_enabled: 1,
      gpu_count: 1,
      health_monitor_running: 0,
      'state{state="hung"}': 1,
      'state{state="running"}': 0,
      'driver_info{driver_version="580.10",nvml_version="13.580.10"}': 1,
      host_starts_total: 3,
      host_crashes_total: 2,
      events_dropped_total: 5,
      events_unattributed_total: 6,
    });
  });

  test("shows no version before it knows one", async () => {
    const series = await scrape({ ...quiet, driverVersion: undefined, nvmlVersion: undefined });
    expect(Object.keys(series).filter((name) => name.startsWith("driver_info"))).toEqual([]);
  });

  test("escapes what the driver says of itself", async () => {
    const text = await textOf({ ...quiet, driverVersion: 'a"b\\c\nd' });
    expect(text).toContain('driver_version="a\\"b\\\\c\\nd"');
  });

  test("counts hangs by function from the first scrape on, and those without one as unknown", async () => {
    const before = await scrape(quiet);
    expect(before['hangs_total{function="nvmlDeviceGetTemperature"}']).toBe(0);
    expect(before['hangs_total{function="unknown"}']).toBe(0);
    expect(before['hangs_total{function="none"}']).toBeUndefined();
    const hangs = new Map([
      ["nvmlDeviceGetTemperature", 2],
      ["", 1],
    ]);
    expect(await scrape({ ...quiet, hangs })).toMatchObject({
      'hangs_total{function="nvmlDeviceGetTemperature"}': 2,
      'hangs_total{function="unknown"}': 1,
    });
  });

  test("shows the durations of calls in seconds, as a summary, and the call that runs", async () => {
    const calls = new Map([["nvmlDeviceGetUUID", { count: 4, totalUs: 2_000, longestUs: 900 }]]);
    const longestCallMs = new Map([["nvmlDeviceGetUUID", 0.9]]);
    const runningCall = { name: "nvmlDeviceGetName", ms: 1_500 };
    const source = { ...quiet, calls, longestCallMs, runningCall };
    expect(await scrape(source)).toMatchObject({
      'call_duration_seconds_sum{function="nvmlDeviceGetUUID"}': 0.002,
      'call_duration_seconds_count{function="nvmlDeviceGetUUID"}': 4,
      'call_longest_seconds{function="nvmlDeviceGetUUID"}': 0.000_9,
      call_running_seconds: 1.5,
    });
    expect((await scrape(quiet))["call_running_seconds"]).toBe(0);
    expect(await textOf(source)).toContain(`# TYPE ${P}call_duration_seconds summary`);
  });
});
