import { describe, expect, test } from "bun:test";
import { Registry } from "prom-client";
import type { MetricSources } from "./metric-sources.ts";
import { CACHE_OPERATIONS, createMetrics, type Metrics, REJECTION_REASONS, WATCH_EVENT_TYPES } from "./metrics.ts";

const GET = "nvidia.device.v1alpha1.GpuService/GetGpu";
const WATCH = "nvidia.device.v1alpha1.GpuService/WatchGpus";

const state = {
  gpus: { healthy: 5, unhealthy: 2, unknown: 1 },
  version: 1_790_000_000_123_456,
  watches: 3,
  connections: new Map([["unix:/run/a.sock", 4]]),
};
const sources: MetricSources = {
  gpus: () => state.gpus,
  resourceVersion: () => state.version,
  watchStreams: () => state.watches,
  providers: () => ({ active: 2, lost: 1 }),
  connections: () => state.connections,
  nvml: () => undefined,
  eventLoopLag: () => ({ lastMs: 2, worstMs: 250 }),
};

const create = (): Metrics =>
  createMetrics({
    version: "1.2.3",
    node: 'node "7"\n',
    methods: [
      { name: GET, kind: "unary" },
      { name: WATCH, kind: "server-stream" },
    ],
    sources,
  });

/** The exposition, each series by its name and labels as written. */
async function scrape(metrics: Metrics): Promise<ReadonlyMap<string, number>> {
  const series = new Map<string, number>();
  for (const line of (await metrics.text()).split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const match = /^([a-z_]+(?:\{.*\})?) (\S+)$/.exec(line);
    expect(match, `a line of the exposition: ${line}`).not.toBeNull();
    series.set(match?.[1] ?? "", Number(match?.[2]));
  }
  return series;
}

const P = "device_api_server_";

/** Name and type, as dashboards and alerts query them. */
const DECLARED: readonly (readonly [string, string])[] = [
  [`${P}info`, "gauge"],
  [`${P}cache_gpus_total`, "gauge"],
  [`${P}cache_gpus_healthy`, "gauge"],
  [`${P}cache_gpus_unhealthy`, "gauge"],
  [`${P}cache_gpus_unknown`, "gauge"],
  [`${P}cache_updates_total`, "counter"],
  [`${P}cache_resource_version`, "gauge"],
  [`${P}watch_streams_active`, "gauge"],
  [`${P}watch_events_total`, "counter"],
  [`${P}watch_events_dropped_total`, "counter"],
  [`${P}watch_streams_expired_total`, "counter"],
  [`${P}nvml_provider_enabled`, "gauge"],
  [`${P}nvml_gpu_count`, "gauge"],
  [`${P}nvml_health_monitor_running`, "gauge"],
  [`${P}grpc_requests_total`, "counter"],
  [`${P}grpc_request_duration_seconds`, "histogram"],
  [`${P}permission_denied_total`, "counter"],
  [`${P}connections_open`, "gauge"],
  [`${P}connections_rejected_total`, "counter"],
  [`${P}providers`, "gauge"],
  [`${P}leases_expired_total`, "counter"],
  [`${P}ui_requests_total`, "counter"],
  [`${P}ui_connections_rejected_total`, "counter"],
  [`${P}ui_streams_active`, "gauge"],
  [`${P}ui_streams_ended_total`, "counter"],
  ["process_cpu_seconds_total", "counter"],
  ["process_start_time_seconds", "gauge"],
  ["process_resident_memory_bytes", "gauge"],
  ["process_virtual_memory_bytes", "gauge"],
  ["process_open_fds", "gauge"],
  ["process_max_fds", "gauge"],
  ["nodejs_eventloop_lag_seconds", "gauge"],
  ["nodejs_eventloop_lag_max_seconds", "gauge"],
];

test("exactly the declared metrics are exposed, each with its type", async () => {
  const types = [...(await create().text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]);
  expect(types.toSorted()).toEqual(DECLARED.map((row) => [...row]).toSorted());
});

test("streams of the page are active until they end, by how they did", async () => {
  const metrics = create();
  metrics.uiStreamOpened();
  metrics.uiStreamOpened();
  metrics.uiStreamEnded("stalled");
  metrics.uiRequestEnded("/api/v1/gpus", 200);
  metrics.uiConnectionRejected();
  const series = await scrape(metrics);
  expect(series.get(`${P}ui_streams_active`)).toBe(1);
  expect(series.get(`${P}ui_streams_ended_total{ending="stalled"}`)).toBe(1);
  expect(series.get(`${P}ui_streams_ended_total{ending="client"}`)).toBe(0);
  expect(series.get(`${P}ui_requests_total{route="/api/v1/gpus",code="200"}`)).toBe(1);
  expect(series.get(`${P}ui_connections_rejected_total`)).toBe(1);
});

test("two instances share nothing", async () => {
  const first = create();
  const second = create();
  first.cacheUpdated("set");
  expect((await scrape(second)).get(`${P}cache_updates_total{operation="set"}`)).toBe(0);
});

describe("before anything has happened", () => {
  test("counters with a closed set of labels stand at 0 for every one", async () => {
    const series = await scrape(create());
    for (const operation of CACHE_OPERATIONS) {
      expect(series.get(`${P}cache_updates_total{operation="${operation}"}`)).toBe(0);
    }
    for (const type of WATCH_EVENT_TYPES) expect(series.get(`${P}watch_events_total{type="${type}"}`)).toBe(0);
    for (const reason of REJECTION_REASONS) {
      expect(series.get(`${P}connections_rejected_total{reason="${reason}"}`)).toBe(0);
    }
    expect(series.get(`${P}grpc_requests_total{method="${GET}",code="OK"}`)).toBe(0);
    expect(series.get(`${P}grpc_request_duration_seconds_count{method="${GET}"}`)).toBe(0);
    expect(series.get(`${P}watch_events_dropped_total`)).toBe(0);
  });

  test("a stream has no duration", async () => {
    expect(
      [...(await scrape(create())).keys()].filter((key) => key.includes("duration") && key.includes(WATCH)),
    ).toEqual([]);
  });
});

describe("at a scrape", () => {
  test("gauges show the state of that moment", async () => {
    const metrics = create();
    await scrape(metrics);
    state.gpus = { healthy: 1, unhealthy: 2, unknown: 3 };
    state.version += 1;
    state.watches = 9;
    state.connections.set("tcp:127.0.0.1:50051", 7);
    const series = await scrape(metrics);
    expect(Object.fromEntries(series)).toMatchObject({
      [`${P}cache_gpus_total`]: 6,
      [`${P}cache_gpus_healthy`]: 1,
      [`${P}cache_gpus_unhealthy`]: 2,
      [`${P}cache_gpus_unknown`]: 3,
      [`${P}cache_resource_version`]: 1_790_000_000_123_457,
      [`${P}watch_streams_active`]: 9,
      [`${P}providers{state="active"}`]: 2,
      [`${P}providers{state="lost"}`]: 1,
      [`${P}connections_open{listener="unix:/run/a.sock"}`]: 4,
      [`${P}connections_open{listener="tcp:127.0.0.1:50051"}`]: 7,
      [`${P}nvml_provider_enabled`]: 0,
      [`${P}nvml_gpu_count`]: 0,
      [`${P}nvml_health_monitor_running`]: 0,
      nodejs_eventloop_lag_seconds: 0.002,
      nodejs_eventloop_lag_max_seconds: 0.25,
    });
  });

  test("info escapes its labels and leaves go_version empty", async () => {
    expect((await scrape(create())).get(`${P}info{version="1.2.3",go_version="",node="node \\"7\\"\\n"}`)).toBe(1);
  });

  test("process metrics are those of this process", async () => {
    const series = await scrape(create());
    const value = (name: string) => series.get(name) ?? Number.NaN;
    const { user, system } = process.cpuUsage();
    expect(Math.abs(value("process_cpu_seconds_total") - (user + system) / 1e6)).toBeLessThan(0.5);
    expect(Math.abs(value("process_start_time_seconds") - (Date.now() / 1_000 - process.uptime()))).toBeLessThan(3);
    expect(value("process_resident_memory_bytes")).toBeGreaterThan(10e6);
    expect(value("process_virtual_memory_bytes")).toBeGreaterThan(value("process_resident_memory_bytes"));
    expect(value("process_open_fds")).toBeGreaterThan(2);
    expect(value("process_max_fds")).toBeGreaterThan(value("process_open_fds"));
  });

  test("CPU time never falls, and is not added up from scrape to scrape", async () => {
    const metrics = create();
    let last = 0;
    for (let i = 0; i < 20; i++) {
      const seconds = (await scrape(metrics)).get("process_cpu_seconds_total") ?? -1;
      expect(seconds).toBeGreaterThanOrEqual(last);
      last = seconds;
    }
    const { user, system } = process.cpuUsage();
    expect(Math.abs(last - (user + system) / 1e6)).toBeLessThan(0.5);
  });
});

describe("each event moves its counter", () => {
  const moves: readonly (readonly [string, (metrics: Metrics) => void, string, number])[] = [
    ["an update", (m) => m.cacheUpdated("update_status"), `${P}cache_updates_total{operation="update_status"}`, 1],
    ["an event", (m) => m.watchEventSent("DELETED"), `${P}watch_events_total{type="DELETED"}`, 1],
    ["several events", (m) => m.watchEventSent("ADDED", 8), `${P}watch_events_total{type="ADDED"}`, 8],
    ["a slow watch", (m) => m.watchStreamExpired(), `${P}watch_streams_expired_total`, 1],
    ["a refusal", (m) => m.permissionDenied(GET, "r"), `${P}permission_denied_total{method="${GET}",rule="r"}`, 1],
    ["a full server", (m) => m.connectionRejected("uid"), `${P}connections_rejected_total{reason="uid"}`, 1],
    ["a lease that ran out", (m) => m.leaseExpired(), `${P}leases_expired_total`, 1],
  ];

  test.each(moves)("%s", async (_, move, series, value) => {
    const metrics = create();
    move(metrics);
    expect((await scrape(metrics)).get(series)).toBe(value);
  });

  test("a unary call is counted by its code, and timed", async () => {
    const metrics = create();
    metrics.callEnded({ method: GET, kind: "unary", code: "NOT_FOUND", seconds: 0.02 });
    const series = await scrape(metrics);
    expect(series.get(`${P}grpc_requests_total{method="${GET}",code="NOT_FOUND"}`)).toBe(1);
    const buckets = [...series].filter(([key]) => key.startsWith(`${P}grpc_request_duration_seconds_bucket`));
    expect(buckets.map(([key, count]) => [/le="([^"]+)"/.exec(key)?.[1], count])).toEqual([
      ["0.001", 0],
      ["0.005", 0],
      ["0.01", 0],
      ["0.025", 1],
      ["0.05", 1],
      ["0.1", 1],
      ["0.25", 1],
      ["0.5", 1],
      ["1", 1],
      ["2.5", 1],
      ["5", 1],
      ["10", 1],
      ["+Inf", 1],
    ]);
  });

  test("a stream that ends is counted and not timed", async () => {
    const metrics = create();
    metrics.callEnded({ method: WATCH, kind: "server-stream", code: "OUT_OF_RANGE", seconds: 86_400 });
    const series = await scrape(metrics);
    expect(series.get(`${P}grpc_requests_total{method="${WATCH}",code="OUT_OF_RANGE"}`)).toBe(1);
    expect(series.has(`${P}grpc_request_duration_seconds_count{method="${WATCH}"}`)).toBe(false);
  });

  test("methods that are not served share one series", async () => {
    const metrics = create();
    for (let i = 0; i < 1_000; i++) {
      metrics.callEnded({ method: `x.Y/${i}`, kind: "unary", code: "UNIMPLEMENTED", seconds: 0 });
      metrics.permissionDenied(`x.Y/${i}`, "r");
    }
    const series = await scrape(metrics);
    expect(series.get(`${P}grpc_requests_total{method="unknown",code="UNIMPLEMENTED"}`)).toBe(1_000);
    expect([...series.keys()].some((key) => key.includes("x.Y"))).toBe(false);
  });
});

test("the content type is the one that the library writes", () => {
  expect(create().contentType).toBe(new Registry().contentType);
});
