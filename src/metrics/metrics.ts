import type { Registry } from "prom-client";
import { CallMetrics } from "./call-metrics.ts";
import { METRIC_PREFIX, type MetricSources } from "./metric-sources.ts";
import { nvmlExposition } from "./nvml-metrics.ts";
import { Tally } from "./tally.ts";

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

/** Of the exposition, as Prometheus's text format 0.0.4 has it and the library writes it. */
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export function createMetrics(options: MetricsOptions): Metrics {
  const calls = new CallMetrics(METRIC_PREFIX, options.methods, UNKNOWN_METHOD);
  const tallies = createTallies();
  let uiStreams = 0;
  const gauges = { ...options, uiStreams: () => uiStreams };
  let registry: Promise<Registry> | undefined;
  const registryOf = async () => (await import("./registry.ts")).createRegistry(gauges, Object.values(tallies));

  const known = new Set(options.methods.map(({ name }) => name));
  const label = (method: string): string => (known.has(method) ? method : UNKNOWN_METHOD);
  return {
    contentType: CONTENT_TYPE,
    async text() {
      registry ??= registryOf();
      const declared = await (await registry).metrics();
      return [declared, calls.exposition(), nvmlExposition(options.sources.nvml())].join("\n");
    },
    cacheUpdated: (operation) => tallies.cacheUpdates.add([operation]),
    watchEventSent: (type, count) => tallies.watchEvents.add([type], count),
    watchStreamExpired: () => tallies.watchStreamsExpired.add([]),
    callEnded: ({ method, code, seconds }) => calls.ended(method, code, seconds),
    permissionDenied: (method, rule) => tallies.permissionDenied.add([label(method), rule]),
    connectionRejected: (reason) => tallies.connectionsRejected.add([reason]),
    leaseExpired: () => tallies.leasesExpired.add([]),
    uiRequestEnded: (route, status) => tallies.uiRequests.add([route, String(status)]),
    uiStreamOpened: () => void uiStreams++,
    uiStreamEnded(ending) {
      uiStreams--;
      tallies.uiStreamsEnded.add([ending]);
    },
    uiConnectionRejected: () => tallies.uiConnectionsRejected.add([]),
  };
}

/** Each counter with a closed set of labels starts at 0 for every one. */
function createTallies() {
  return {
    cacheUpdates: new Tally(
      "cache_updates_total",
      "Writes that were carried out, by operation.",
      ["operation"],
      CACHE_OPERATIONS,
    ),
    watchEvents: new Tally(
      "watch_events_total",
      "Events handed to watch streams, by type.",
      ["type"],
      WATCH_EVENT_TYPES,
    ),
    watchEventsDropped: new Tally(
      "watch_events_dropped_total",
      "Always 0: a watch that cannot keep up is ended, never thinned out.",
    ),
    watchStreamsExpired: new Tally("watch_streams_expired_total", "Watch streams that were ended as too slow."),
    permissionDenied: new Tally("permission_denied_total", "Calls refused for want of authority.", ["method", "rule"]),
    connectionsRejected: new Tally(
      "connections_rejected_total",
      "gRPC connections that were turned away, by the limit or fault that was the reason.",
      ["reason"],
      REJECTION_REASONS,
    ),
    leasesExpired: new Tally("leases_expired_total", "Providers whose lease ran out."),
    uiStreamsEnded: new Tally(
      "ui_streams_ended_total",
      "Streams of the page that ended, by how.",
      ["ending"],
      UI_STREAM_ENDINGS,
    ),
    uiRequests: new Tally("ui_requests_total", "Requests to the page and its API, by path and HTTP status.", [
      "route",
      "code",
    ]),
    uiConnectionsRejected: new Tally("ui_connections_rejected_total", "Connections to the page beyond its limit."),
  };
}
