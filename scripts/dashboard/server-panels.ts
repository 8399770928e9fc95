import { by, ofNodes, own, RED, rate, risen, type Section } from "./panel.ts";

const FAULTS = "INTERNAL|UNKNOWN|UNAVAILABLE|DATA_LOSS";

const quantile = (q: number): string =>
  `histogram_quantile(${q}, ${by("node, le", rate("grpc_request_duration_seconds_bucket"))})`;

/** Series of a code are there from its first call on; without any, the share is 0. */
function faultShare(): string {
  const faults = by("node", rate(`grpc_requests_total{code=~"${FAULTS}"}`));
  const none = by("node", own("cache_gpus_total"));
  return `(${faults} or ${none} * 0) / (${by("node", rate("grpc_requests_total"))} > 0)`;
}

/** The server itself and its callers. */
export const SERVER: Section = {
  title: "Server",
  panels: [
    {
      title: "Calls by method",
      description: "Calls that ended in a second; a watch ends when its consumer goes.",
      kind: "timeseries",
      width: 12,
      unit: "reqps",
      queries: [{ expr: by("method", rate("grpc_requests_total")), legend: "{{method}}" }],
    },
    {
      title: "Calls that did not end with OK",
      description: "By status code. Most are answers to a caller: only the next panel's are the server's fault.",
      kind: "timeseries",
      width: 12,
      unit: "reqps",
      queries: [{ expr: by("code", rate('grpc_requests_total{code!="OK"}')), legend: "{{code}}" }],
    },
    {
      title: "Errors of the server",
      description: `The share of calls that ended with ${FAULTS.replaceAll("|", ", ")}.`,
      kind: "timeseries",
      width: 8,
      unit: "percentunit",
      steps: [[0.1, RED]],
      queries: [
        {
          expr: faultShare(),
          legend: "{{node}}",
        },
      ],
    },
    {
      title: "Time of unary calls",
      description: "Median and 99th percentile, waiting for an update under way included.",
      kind: "timeseries",
      width: 8,
      unit: "s",
      steps: [[0.5, RED]],
      queries: [
        { expr: quantile(0.5), legend: "{{node}} p50" },
        { expr: quantile(0.99), legend: "{{node}} p99" },
      ],
    },
    {
      title: "Refused",
      description: "Calls without authority, and connections over a limit.",
      kind: "timeseries",
      width: 8,
      unit: "reqps",
      queries: [
        { expr: by("rule", rate("permission_denied_total")), legend: "call: {{rule}}" },
        { expr: by("reason", rate("connections_rejected_total")), legend: "connection: {{reason}}" },
      ],
    },
    {
      title: "Watches and connections",
      description: "Streams and gRPC connections that are open.",
      kind: "timeseries",
      width: 8,
      queries: [
        { expr: by("node", own("watch_streams_active")), legend: "{{node}} watches" },
        { expr: by("node", own("connections_open")), legend: "{{node}} connections" },
      ],
    },
    {
      title: "Watch events",
      description: "Events handed to watches, by type.",
      kind: "timeseries",
      width: 8,
      unit: "cps",
      queries: [{ expr: by("type", rate("watch_events_total")), legend: "{{type}}" }],
    },
    {
      title: "Watches ended as too slow, in 15 minutes",
      description: "Their consumers list again.",
      kind: "timeseries",
      width: 8,
      queries: [{ expr: by("node", risen("device_api_server_watch_streams_expired_total")), legend: "{{node}}" }],
    },
    {
      title: "Writes",
      description: "Writes that were carried out, by operation.",
      kind: "timeseries",
      width: 8,
      unit: "cps",
      queries: [{ expr: by("operation", rate("cache_updates_total")), legend: "{{operation}}" }],
    },
    {
      title: "Changes",
      description: "What the resource version rises by in a second: changes that consumers see.",
      kind: "timeseries",
      width: 8,
      unit: "cps",
      queries: [
        {
          expr: by("node", ofNodes("deriv(device_api_server_cache_resource_version[$__rate_interval])")),
          legend: "{{node}}",
        },
      ],
    },
    {
      title: "Providers",
      description: "By the state of their lease, and the leases that ran out in 15 minutes.",
      kind: "timeseries",
      width: 8,
      queries: [
        { expr: by("node, state", own("providers")), legend: "{{node}} {{state}}" },
        { expr: by("node", risen("device_api_server_leases_expired_total")), legend: "{{node}} ran out" },
      ],
    },
    {
      title: "Resident memory",
      description:
        "Of the server without the NVML host process; the alert is at 192 MiB, the container's limit at 256 MiB.",
      kind: "timeseries",
      width: 8,
      unit: "bytes",
      steps: [[192 * 2 ** 20, RED]],
      queries: [{ expr: by("node", ofNodes("process_resident_memory_bytes")), legend: "{{node}}" }],
    },
    {
      title: "CPU",
      description: "Cores that are busy.",
      kind: "timeseries",
      width: 8,
      queries: [{ expr: by("node", ofNodes("rate(process_cpu_seconds_total[$__rate_interval])")), legend: "{{node}}" }],
    },
    {
      title: "Delay of the event loop",
      description: "The longest in the last minute: for so long nobody was served.",
      kind: "timeseries",
      width: 8,
      unit: "s",
      queries: [{ expr: by("node", ofNodes("nodejs_eventloop_lag_max_seconds"), "max"), legend: "{{node}}" }],
    },
  ],
};
