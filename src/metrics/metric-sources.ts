import type { NvmlSource } from "./nvml-source.ts";

export const METRIC_PREFIX = "device_api_server_";

/** State that lives elsewhere; read at each scrape, so that a metric never lags behind it. */
export interface MetricSources {
  /** Every GPU is in exactly one of these. */
  gpus(): { readonly healthy: number; readonly unhealthy: number; readonly unknown: number };
  resourceVersion(): number;
  watchStreams(): number;
  providers(): { readonly active: number; readonly lost: number };
  /** Open gRPC connections by listener, such as `unix:/run/a.sock` or `tcp:127.0.0.1:50051`. */
  connections(): ReadonlyMap<string, number>;
  /** Undefined where the NVML provider is off. */
  nvml(): NvmlSource | undefined;
  eventLoopLag(): { readonly lastMs: number; readonly worstMs: number };
}
