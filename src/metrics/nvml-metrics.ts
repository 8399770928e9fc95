import { NVML_CALLS } from "../native/nvml-abi.gen.ts";
import { expositionOf, type Family, type Series } from "./exposition.ts";
import { METRIC_PREFIX } from "./metric-sources.ts";
import { GPU_HEALTHS, NVML_STATES, type NvmlGpuSource, type NvmlSampleSource, type NvmlSource } from "./nvml-source.ts";

/** One series of a metric: its value and its labels, in the metric's order. What is undefined is not there. */
type Reading = readonly [value: number | bigint | boolean | undefined, ...labels: string[]];

interface NvmlMetric {
  /** Without the prefix. */
  readonly name: string;
  readonly type: Family["type"];
  readonly help: string;
  readonly labels: readonly string[];
  readonly read: (source: NvmlSource) => readonly Reading[];
  /** The count of a summary; `read` is its sum then. */
  readonly count?: (source: NvmlSource) => readonly Reading[];
  /** What it shows where the provider is off; undefined for nothing. */
  readonly off?: number;
}

/** The label for silence of the host process, in which no function was seen. */
const UNKNOWN_FUNCTION = "unknown";

/**
 * Everything that the server shows of NVML; docs/operations/nvml-metrics.md is the same for people. Written at each
 * scrape from what the provider knows then: nothing is kept twice, and a GPU that goes takes its series with it.
 */
export const NVML_METRICS: readonly NvmlMetric[] = [
  { ...gauge("provider_enabled", "Whether the NVML provider is on.", () => [[1]]), off: 0 },
  { ...gauge("gpu_count", "GPUs that NVML shows.", ({ gpus }) => [[gpus.length]]), off: 0 },
  {
    ...gauge("health_monitor_running", "Whether NVML's events are watched.", (source) => [[source.monitorRunning]]),
    off: 0,
  },
  gauge(
    "state",
    "1 for the state that the NVML provider is in, 0 for the others.",
    ({ state }) => NVML_STATES.map((name) => [name === state, name]),
    ["state"],
  ),
  gauge(
    "driver_info",
    "Always 1; the labels are the versions of the driver and of NVML, as last initialised.",
    ({ driverVersion, nvmlVersion }) => [[versioned(driverVersion), driverVersion ?? "", nvmlVersion ?? ""]],
    ["driver_version", "nvml_version"],
  ),
  counter("host_starts_total", "Host processes that were started.", ({ hostStarts }) => [[hostStarts]]),
  counter("host_crashes_total", "Host processes that ended unasked and unexplained.", ({ hostCrashes }) => [
    [hostCrashes],
  ]),
  counter(
    "hangs_total",
    "Times that NVML did not answer in time, by the function it was in; unknown where none was seen.",
    hangsByFunction,
    ["function"],
  ),
  gauge(
    "call_running_seconds",
    "How long the present NVML call has been running; 0 for none. A wait for events counts from 0.5 s on.",
    ({ runningCall }) => [[(runningCall?.ms ?? 0) / 1_000]],
  ),
  {
    ...counter(
      "call_duration_seconds",
      "Duration of NVML calls that came back. nvmlEventSetWait_v2 waits by design, up to 0.25 s.",
      ({ calls }) => [...calls].map(([name, { totalUs }]) => [totalUs / 1e6, name]),
      ["function"],
    ),
    type: "summary",
    count: ({ calls }) => [...calls].map(([name, { count }]) => [count, name]),
  },
  gauge(
    "call_longest_seconds",
    "The longest NVML call since the start of the server; also one that never came back.",
    ({ longestCallMs }) => [...longestCallMs].map(([name, ms]) => [ms / 1_000, name]),
    ["function"],
  ),
  counter("events_dropped_total", "Events that were lost on their way.", ({ eventsDropped }) => [[eventsDropped]]),
  counter("events_unattributed_total", "Events that named no GPU.", ({ eventsUnattributed }) => [[eventsUnattributed]]),
  ofGpu(
    "gpu_health",
    "1 for the GPU's health by NVML, 0 for the others.",
    ({ health }) => GPU_HEALTHS.map((name) => [name === health, name]),
    ["state"],
  ),
  ofGpu(
    "gpu_recommended_action",
    "1 for the action that the GPU needs; absent where it needs none.",
    ({ action }) => [[action === "" ? undefined : 1, action]],
    ["action"],
  ),
  {
    ...ofGpu(
      "xid_errors_total",
      "Xids by code since the start of the server; code 0 stands for all that the catalogue does not have.",
      ({ xids }) => [...xids].map(([code, count]) => [count, String(code)]),
      ["xid"],
    ),
    type: "counter",
  },
  ofGpu("gpu_sample_age_seconds", "Time since the last reading of a GPU that answered.", ({ sampleAgeMs }) => [
    [sampleAgeMs === undefined ? undefined : sampleAgeMs / 1_000],
  ]),
  ofSample("gpu_temperature_celsius", "Temperature.", ({ temperatureC }) => [[temperatureC]]),
  ofSample("gpu_slowdown_temperature_celsius", "Temperature at which the hardware slows down.", ({ slowdownC }) => [
    // A driver that says 0 does not know it.
    [slowdownC === 0 ? undefined : slowdownC],
  ]),
  ofSample("gpu_power_watts", "Power draw.", ({ powerMw }) => [[powerMw === undefined ? undefined : powerMw / 1_000]]),
  ofSample(
    "gpu_ecc_errors",
    "ECC errors since the last reset of the GPU (volatile) and over its life (aggregate).",
    (sample) => [
      [sample.eccVolatileCorrected, "corrected", "volatile"],
      [sample.eccVolatileUncorrected, "uncorrected", "volatile"],
      [sample.eccAggregateCorrected, "corrected", "aggregate"],
      [sample.eccAggregateUncorrected, "uncorrected", "aggregate"],
    ],
    ["severity", "lifetime"],
  ),
  ofSample("gpu_sram_ecc_threshold_exceeded", "Whether SRAM errors are over the vendor's threshold.", ({ sramEcc }) => [
    [sramEcc?.thresholdExceeded],
  ]),
  ofSample(
    "gpu_remapped_rows",
    "Memory rows that were remapped, by the errors that were the reason.",
    ({ remappedRows }) => [
      [remappedRows?.corrected, "corrected"],
      [remappedRows?.uncorrected, "uncorrected"],
    ],
    ["severity"],
  ),
  ofSample("gpu_row_remap_pending", "Whether a row remapping waits for a reset.", ({ remappedRows }) => [
    [remappedRows?.pending],
  ]),
  ofSample("gpu_row_remap_failed", "Whether a row remapping has failed.", ({ remappedRows }) => [
    [remappedRows?.failed],
  ]),
  ofSample(
    "gpu_retired_pages",
    "Memory pages that were retired, by the errors that were the reason.",
    ({ retiredPages }) => [
      [retiredPages?.singleBit, "single_bit"],
      [retiredPages?.doubleBit, "double_bit"],
    ],
    ["cause"],
  ),
  ofSample("gpu_nvlinks", "NVLinks of the GPU, by state.", linksByState, ["state"]),
];

/** Undefined where the provider is off. */
export function nvmlExposition(source: NvmlSource | undefined): string {
  return expositionOf(NVML_METRICS.flatMap((metric) => familyOf(metric, source) ?? []));
}

function familyOf(metric: NvmlMetric, source: NvmlSource | undefined): Family | undefined {
  const { type, help, labels, count, off } = metric;
  const name = `${METRIC_PREFIX}nvml_${metric.name}`;
  if (source === undefined) {
    return off === undefined ? undefined : { name, type, help, series: seriesOf("", labels, [[off]]) };
  }
  const readings = metric.read(source);
  if (count === undefined) return { name, type, help, series: seriesOf("", labels, readings) };
  const series = [...seriesOf("_sum", labels, readings), ...seriesOf("_count", labels, count(source))];
  return { name, type, help, series };
}

function seriesOf(suffix: Series["suffix"], names: readonly string[], readings: readonly Reading[]): readonly Series[] {
  return readings.flatMap(([value, ...labels]) =>
    value === undefined
      ? []
      : [{ suffix, labels: labels.map((label, i) => [names[i] ?? "", label] as const), value: Number(value) }],
  );
}

function gauge(name: string, help: string, read: NvmlMetric["read"], labels: readonly string[] = []): NvmlMetric {
  return { name, type: "gauge", help, labels, read };
}

function counter(name: string, help: string, read: NvmlMetric["read"], labels: readonly string[] = []): NvmlMetric {
  return { name, type: "counter", help, labels, read };
}

function ofGpu(
  name: string,
  help: string,
  read: (gpu: NvmlGpuSource) => readonly Reading[],
  labels: readonly string[] = [],
): NvmlMetric {
  const readAll = ({ gpus }: NvmlSource) =>
    gpus.flatMap((gpu) => read(gpu).map(([value, ...rest]): Reading => [value, gpu.uuid, ...rest]));
  return gauge(name, help, readAll, ["gpu", ...labels]);
}

function ofSample(
  name: string,
  help: string,
  read: (sample: NvmlSampleSource) => readonly Reading[],
  labels: readonly string[] = [],
): NvmlMetric {
  return ofGpu(name, help, ({ sample }) => (sample === undefined ? [] : read(sample)), labels);
}

const versioned = (driverVersion: string | undefined) => (driverVersion === undefined ? undefined : 1);

/** Every function from the start on: a rate over the first hang is then seen. */
function hangsByFunction({ hangs }: NvmlSource): readonly Reading[] {
  const [, ...functions] = NVML_CALLS;
  const counted = functions.map((name): Reading => [hangs.get(name) ?? 0, name]);
  return [...counted, [hangs.get("") ?? 0, UNKNOWN_FUNCTION]];
}

function linksByState({ nvLinks }: NvmlSampleSource): readonly Reading[] {
  if (nvLinks.length === 0) return [];
  const up = nvLinks.filter(({ active }) => active).length;
  return [
    [up, "up"],
    [nvLinks.length - up, "down"],
  ];
}
