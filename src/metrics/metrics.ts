import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { declareGauges, METRIC_PREFIX, type MetricSources } from "./gauges.ts";
import { nvmlExposition } from "./nvml-metrics.ts";
import { declareProcessMetrics } from "./process-metrics.ts";

export const CACHE_OPERATIONS = ["register", "unregister", "update_status", "update_condition", "set"] as const;
export type CacheOperation = (typeof CACHE_OPERATIONS)[number];

export const WATCH_EVENT_TYPES = ["ADDED", "MODIFIED", "DELETED"] as const;
export type WatchEventType = (typeof WATCH_EVENT_TYPES)[number];

/** Why the listeners turn a connection away. */
export const REJECTION_REASONS = ["total", "uid", "handshake", "peer", "draining"] as const;
export type RejectionReason = (typeof REJECTION_REASONS)[number];

/** How streams of the page end: the client left, was overtaken, took nothing for too long, or the server drained. */
export const UI_STREAM_ENDINGS = ["client", "expired", "stalled", "server"] as const;
export type UiStreamEnding = (typeof UI_STREAM_ENDINGS)[number];

/** How a call ended. */
export interface CallOutcome {
  /** `package.Service/Method`. */
  readonly method: string;
  readonly kind: "unary" | "server-stream" | "duplex";
  /** The status code by its name. */
  readonly code: string;
  readonly seconds: number;
}

export interface MetricsOptions {
  readonly version: string;
  readonly node: string;
  /** The methods that are served; any other is counted as "unknown", so that callers cannot invent series. */
  readonly methods: readonly { readonly name: string; readonly kind: CallOutcome["kind"] }[];
  /** Read at each scrape. */
  readonly sources: MetricSources;
}

/** Every metric of the server. The names are those that existing dashboards query. */
export interface Metrics {
  readonly contentType: string;
  /** The exposition of one scrape. */
  text(): Promise<string>;
  cacheUpdated(operation: CacheOperation): void;
  watchEventSent(type: WatchEventType, count?: number): void;
  /** A watch was ended because the history had moved past it. */
  watchStreamExpired(): void;
  callEnded(outcome: CallOutcome): void;
  permissionDenied(method: string, rule: string): void;
  connectionRejected(reason: RejectionReason): void;
  leaseExpired(): void;
  /** `route` is one of a closed set. */
  uiRequestEnded(route: string, status: number): void;
  uiStreamOpened(): void;
  uiStreamEnded(ending: UiStreamEnding): void;
  uiConnectionRejected(): void;
}

/** The label for a method that is not served. */
const UNKNOWN_METHOD = "unknown";
/** Seconds; existing dashboards take quantiles over these. */
const DURATION_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  declareGauges(registry, options);
  declareProcessMetrics(registry);
  const counters = declareCounters(registry);
  const durations = new Histogram({
    name: `${METRIC_PREFIX}grpc_request_duration_seconds`,
    help: "Time from a unary call's arrival to its end.",
    labelNames: ["method"],
    buckets: DURATION_BUCKETS,
    registers: [registry],
  });

  const uiStreams = new Gauge({
    name: `${METRIC_PREFIX}ui_streams_active`,
    help: "Streams of the page that are open.",
    registers: [registry],
  });

  const known = new Set(options.methods.map(({ name }) => name));
  const label = (method: string): string => (known.has(method) ? method : UNKNOWN_METHOD);
  for (const { name, kind } of options.methods) {
    counters.grpcRequests.inc({ method: name, code: "OK" }, 0);
    if (kind === "unary") durations.zero({ method: name });
  }

  return {
    contentType: registry.contentType,
    text: async () => `${await registry.metrics()}\n${nvmlExposition(options.sources.nvml())}`,
    cacheUpdated: (operation) => counters.cacheUpdates.inc({ operation }),
    watchEventSent: (type, count = 1) => counters.watchEvents.inc({ type }, count),
    watchStreamExpired: () => counters.watchStreamsExpired.inc(),
    callEnded: ({ method, kind, code, seconds }) => {
      counters.grpcRequests.inc({ method: label(method), code });
      if (kind === "unary" && known.has(method)) durations.observe({ method }, seconds);
    },
    permissionDenied: (method, rule) => counters.permissionDenied.inc({ method: label(method), rule }),
    connectionRejected: (reason) => counters.connectionsRejected.inc({ reason }),
    leaseExpired: () => counters.leasesExpired.inc(),
    uiRequestEnded: (route, status) => counters.uiRequests.inc({ route, code: String(status) }),
    uiStreamOpened: () => uiStreams.inc(),
    uiStreamEnded: (ending) => {
      uiStreams.dec();
      counters.uiStreamsEnded.inc({ ending });
    },
    uiConnectionRejected: () => counters.uiConnectionsRejected.inc(),
  };
}

/** Each counter with a closed set of labels starts at 0 for every one: a rate over a first event is then seen. */
function declareCounters(registry: Registry) {
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> =>
    new Counter({ name: METRIC_PREFIX + name, help, labelNames: [...labelNames], registers: [registry] });

  const cacheUpdates = counter("cache_updates_total", "Writes that were carried out, by operation.", ["operation"]);
  for (const operation of CACHE_OPERATIONS) cacheUpdates.inc({ operation }, 0);
  const watchEvents = counter("watch_events_total", "Events handed to watch streams, by type.", ["type"]);
  for (const type of WATCH_EVENT_TYPES) watchEvents.inc({ type }, 0);
  const connectionsRejected = counter(
    "connections_rejected_total",
    "gRPC connections that were turned away, by the limit or fault that was the reason.",
    ["reason"],
  );
  for (const reason of REJECTION_REASONS) connectionsRejected.inc({ reason }, 0);
  const uiStreamsEnded = counter("ui_streams_ended_total", "Streams of the page that ended, by how.", ["ending"]);
  for (const ending of UI_STREAM_ENDINGS) uiStreamsEnded.inc({ ending }, 0);
  counter("watch_events_dropped_total", "Always 0: a watch that cannot keep up is ended, never thinned out.");

  return {
    cacheUpdates,
    watchEvents,
    connectionsRejected,
    watchStreamsExpired: counter("watch_streams_expired_total", "Watch streams that were ended as too slow."),
    grpcRequests: counter("grpc_requests_total", "Calls that ended, by method and status code.", ["method", "code"]),
    permissionDenied: counter("permission_denied_total", "Calls refused for want of authority.", ["method", "rule"]),
    leasesExpired: counter("leases_expired_total", "Providers whose lease ran out."),
    uiStreamsEnded,
    uiRequests: counter("ui_requests_total", "Requests to the page and its API, by path and HTTP status.", [
      "route",
      "code",
    ]),
    uiConnectionsRejected: counter("ui_connections_rejected_total", "Connections to the page beyond its limit."),
  };
}
