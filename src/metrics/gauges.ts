import { Gauge, type Registry } from "prom-client";
import { METRIC_PREFIX, type MetricSources } from "./metric-sources.ts";

export interface GaugeOptions {
  readonly version: string;
  readonly node: string;
  readonly sources: MetricSources;
  /** Streams of the page that are open. */
  readonly uiStreams: () => number;
}

export function declareGauges(registry: Registry, { version, node, sources, uiStreams }: GaugeOptions): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    readGauge(registry, METRIC_PREFIX + name, help, read);
  };
  const info = new Gauge({
    name: `${METRIC_PREFIX}info`,
    help: "Always 1; the labels describe the server. go_version is empty: dashboards ask for it.",
    labelNames: ["version", "go_version", "node"],
    registers: [registry],
  });
  info.set({ version, go_version: "", node }, 1);

  gauge("cache_gpus_total", "GPUs in the cache.", () => {
    const { healthy, unhealthy, unknown } = sources.gpus();
    return healthy + unhealthy + unknown;
  });
  gauge("cache_gpus_healthy", "GPUs whose Ready is True.", () => sources.gpus().healthy);
  gauge("cache_gpus_unhealthy", "GPUs whose Ready is False.", () => sources.gpus().unhealthy);
  gauge("cache_gpus_unknown", "GPUs whose Ready is Unknown, or that nobody reported on.", () => sources.gpus().unknown);
  gauge("cache_resource_version", "The server's counter of changes.", () => sources.resourceVersion());
  gauge("watch_streams_active", "Watch streams that are open.", () => sources.watchStreams());
  gauge("ui_streams_active", "Streams of the page that are open.", uiStreams);
  declareLabelled(registry, sources);

  readGauge(registry, "nodejs_eventloop_lag_seconds", "Delay of the event loop when it was last sampled.", () => {
    return sources.eventLoopLag().lastMs / 1_000;
  });
  readGauge(registry, "nodejs_eventloop_lag_max_seconds", "Longest delay of the event loop in the last minute.", () => {
    return sources.eventLoopLag().worstMs / 1_000;
  });
}

function declareLabelled(registry: Registry, sources: MetricSources): void {
  new Gauge({
    name: `${METRIC_PREFIX}providers`,
    help: "Providers that have written, the server's own included, by the state of their lease.",
    labelNames: ["state"],
    registers: [registry],
    collect() {
      const { active, lost } = sources.providers();
      this.set({ state: "active" }, active);
      this.set({ state: "lost" }, lost);
    },
  });
  new Gauge({
    name: `${METRIC_PREFIX}connections_open`,
    help: "Open gRPC connections, by listener.",
    labelNames: ["listener"],
    registers: [registry],
    collect() {
      for (const [listener, count] of sources.connections()) this.set({ listener }, count);
    },
  });
}

/** A gauge that is read when it is scraped. */
export function readGauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}
