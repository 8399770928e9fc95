import { by, GREEN, GREY, ORANGE, ofNodes, own, type Panel, RED, risen, type Section } from "./panel.ts";

const G = "node, gpu";
const GPU = "{{node}} {{gpu}}";

const count = (title: string, state: string, steps: Panel["steps"]): Panel => ({
  title,
  description: `GPUs that the servers of the chosen nodes count as ${state}.`,
  kind: "stat",
  width: 4,
  height: 4,
  queries: [{ expr: `sum(${own(`cache_gpus_${state}`)})`, legend: title }],
  ...(steps === undefined ? {} : { steps }),
});

/** The verdict of the servers, whoever reported. */
export const FLEET: Section = {
  title: "GPUs of the fleet",
  panels: [
    count("GPUs", "total", undefined),
    count("Healthy", "healthy", undefined),
    count("Unhealthy", "unhealthy", [[1, RED]]),
    count("Unknown", "unknown", [[1, ORANGE]]),
    {
      title: "Good GPUs",
      description: "The share of GPUs whose Ready is True, among those that the servers of all nodes report.",
      kind: "stat",
      width: 4,
      height: 4,
      unit: "percentunit",
      queries: [{ expr: "cluster:device_api_server_gpus_good:ratio", legend: "all nodes" }],
    },
    {
      title: "Servers",
      description: "Servers that Prometheus reaches, by version.",
      kind: "stat",
      width: 4,
      height: 4,
      queries: [{ expr: 'count by (version) (device_api_server_info{node=~"$node"})', legend: "{{version}}" }],
    },
    {
      title: "GPUs by state",
      description: "Every GPU is in exactly one of the three.",
      kind: "timeseries",
      width: 12,
      stacked: true,
      queries: ["healthy", "unhealthy", "unknown"].map((state) => ({
        expr: `sum(${own(`cache_gpus_${state}`)})`,
        legend: state,
      })),
    },
    {
      title: "Good GPUs by node",
      description: "The share of GPUs whose Ready is True.",
      kind: "timeseries",
      width: 12,
      unit: "percentunit",
      queries: [{ expr: 'node:device_api_server_gpus_good:ratio{node=~"$node"}', legend: "{{node}}" }],
    },
  ],
};

const HEALTH = "device_api_server_nvml_gpu_health";
const TEMPERATURE = {
  present: "device_api_server_nvml_gpu_temperature_celsius",
  slowdown: "device_api_server_nvml_gpu_slowdown_temperature_celsius",
};

/** What NVML says, GPU by GPU. */
export const GPUS: Section = {
  title: "Each GPU, as NVML shows it",
  panels: [
    {
      title: "State of each GPU",
      description: "The NVML provider's own verdict; conditions that are only advice do not count.",
      kind: "state-timeline",
      width: 24,
      height: 12,
      queries: [
        {
          expr: by(G, ofNodes(`(2 * ${HEALTH}{state="unhealthy"} + ignoring (state) ${HEALTH}{state="unknown"})`)),
          legend: GPU,
        },
      ],
      words: { 0: ["healthy", GREEN], 1: ["unknown", ORANGE], 2: ["unhealthy", RED] },
    },
    {
      title: "Recommended action",
      description: "What the server advises for a GPU at present.",
      kind: "table",
      width: 12,
      columns: ["node", "gpu", "action"],
      queries: [{ expr: `${by(`${G}, action`, own("nvml_gpu_recommended_action"))} > 0`, legend: "" }],
    },
    {
      title: "Xids in 15 minutes",
      description:
        "Xids by GPU and code, those that leave a GPU healthy included. `device-api-server explain` has each.",
      kind: "timeseries",
      width: 12,
      queries: [{ expr: by(G, risen("gpu:device_api_server_nvml_xid_errors:total")), legend: GPU }],
    },
    {
      title: "Xids by code",
      description: "Xids since the server's start, by GPU and code.",
      kind: "table",
      width: 12,
      columns: ["node", "gpu", "xid", "Value"],
      queries: [{ expr: by(`${G}, xid`, own("nvml_xid_errors_total")), legend: "" }],
    },
    {
      title: "Temperature below slowdown",
      description: "Degrees that are left until the hardware slows the GPU down.",
      kind: "timeseries",
      width: 12,
      unit: "celsius",
      queries: [
        {
          expr: by(G, ofNodes(`(${TEMPERATURE.slowdown} - ${TEMPERATURE.present})`)),
          legend: GPU,
        },
      ],
    },
    {
      title: "Temperature",
      description: "The GPU's core.",
      kind: "timeseries",
      width: 12,
      unit: "celsius",
      queries: [{ expr: by(G, own("nvml_gpu_temperature_celsius")), legend: GPU }],
    },
    {
      title: "Power",
      description: "What the board draws.",
      kind: "timeseries",
      width: 12,
      unit: "watt",
      queries: [{ expr: by(G, own("nvml_gpu_power_watts")), legend: GPU }],
    },
    {
      title: "Uncorrected ECC errors",
      description: "Since the driver was loaded; a reset of the GPU sets them to 0.",
      kind: "timeseries",
      width: 8,
      queries: [{ expr: by(G, own('nvml_gpu_ecc_errors{severity="uncorrected", lifetime="volatile"}')), legend: GPU }],
    },
    {
      title: "Corrected ECC errors",
      description: "Over the GPU's life.",
      kind: "timeseries",
      width: 8,
      queries: [{ expr: by(G, own('nvml_gpu_ecc_errors{severity="corrected", lifetime="aggregate"}')), legend: GPU }],
    },
    {
      title: "Memory repair",
      description: "Remapped rows and retired pages, and the GPUs where a repair waits for a reset or has failed.",
      kind: "timeseries",
      width: 8,
      queries: [
        { expr: by(G, own("nvml_gpu_remapped_rows")), legend: `${GPU} rows` },
        { expr: by(G, own("nvml_gpu_retired_pages")), legend: `${GPU} pages` },
        { expr: `${by(G, own("nvml_gpu_row_remap_pending"))} > 0`, legend: `${GPU} pending` },
        { expr: `${by(G, own("nvml_gpu_row_remap_failed"))} > 0`, legend: `${GPU} failed` },
        { expr: `${by(G, own("nvml_gpu_sram_ecc_threshold_exceeded"))} > 0`, legend: `${GPU} SRAM threshold` },
      ],
    },
    {
      title: "NVLinks",
      description: "Links that are up, and those that are not; a machine need not use all.",
      kind: "timeseries",
      width: 12,
      queries: [{ expr: by(`${G}, state`, own("nvml_gpu_nvlinks")), legend: `${GPU} {{state}}` }],
    },
    {
      title: "Age of the last reading",
      description: "Old where NVML does not answer, or the GPU is lost.",
      kind: "timeseries",
      width: 12,
      unit: "s",
      steps: [[60, RED]],
      queries: [{ expr: by(G, own("nvml_gpu_sample_age_seconds")), legend: GPU }],
    },
  ],
};

const STATES: readonly (readonly [state: string, color: string])[] = [
  ["running", GREEN],
  ["degraded", ORANGE],
  ["initialising", ORANGE],
  ["hung", RED],
  ["library-missing", RED],
  ["stopped", GREY],
];

/** The wait for events lasts as long as no event comes. */
const NOT_WAITING = 'function!="nvmlEventSetWait_v2"';

/** The provider between the server and the driver. */
export const NVML: Section = {
  title: "NVML provider",
  panels: [
    {
      title: "State of the provider",
      description: "Readings and events come only where it is running.",
      kind: "state-timeline",
      width: 12,
      queries: [
        {
          expr: STATES.map(([state], index) => `${index} * ${by("node", own(`nvml_state{state="${state}"}`))}`).join(
            " + ",
          ),
          legend: "{{node}}",
        },
      ],
      words: Object.fromEntries(STATES.map(([state, color], index) => [index, [state, color]])),
    },
    {
      title: "Provider",
      description: "Whether it is on, whether it watches events, and the GPUs that it sees.",
      kind: "timeseries",
      width: 12,
      queries: [
        { expr: by("node", own("nvml_provider_enabled")), legend: "{{node}} on" },
        { expr: by("node", own("nvml_health_monitor_running")), legend: "{{node}} watches" },
        { expr: by("node", own("nvml_gpu_count")), legend: "{{node}} GPUs" },
      ],
    },
    {
      title: "Trouble in 15 minutes",
      description: "Hangs of the driver, starts and crashes of the host process, events lost or without a GPU.",
      kind: "timeseries",
      width: 12,
      queries: [
        { expr: by("node", risen("device_api_server_nvml_hangs_total")), legend: "{{node}} hangs" },
        { expr: by("node", risen("device_api_server_nvml_host_starts_total")), legend: "{{node}} starts" },
        { expr: by("node", risen("device_api_server_nvml_host_crashes_total")), legend: "{{node}} crashes" },
        { expr: by("node", risen("device_api_server_nvml_events_dropped_total")), legend: "{{node}} dropped" },
        { expr: by("node", risen("device_api_server_nvml_events_unattributed_total")), legend: "{{node}} no GPU" },
      ],
    },
    {
      title: "Longest call",
      description: "The longest call of each function since the server's start, and the one that runs now.",
      kind: "timeseries",
      width: 12,
      unit: "s",
      queries: [
        {
          expr: `topk(5, ${by("node, function", own(`nvml_call_longest_seconds{${NOT_WAITING}}`))})`,
          legend: "{{node}} {{function}}",
        },
        { expr: by("node", own("nvml_call_running_seconds")), legend: "{{node}} running" },
      ],
    },
    {
      title: "Mean time of a call",
      description: "By function, the five slowest.",
      kind: "timeseries",
      width: 12,
      unit: "s",
      queries: [
        {
          expr: `topk(5, ${meanCall()})`,
          legend: "{{node}} {{function}}",
        },
      ],
    },
    {
      title: "Driver",
      description: "Versions of the driver and of NVML.",
      kind: "table",
      width: 12,
      columns: ["node", "driver_version", "nvml_version"],
      queries: [{ expr: by("node, driver_version, nvml_version", own("nvml_driver_info")), legend: "" }],
    },
  ],
};

function meanCall(): string {
  const total = (part: string) =>
    by(
      "node, function",
      ofNodes(`rate(device_api_server_nvml_call_duration_seconds_${part}{${NOT_WAITING}}[$__rate_interval])`),
    );
  return `${total("sum")} / (${total("count")} > 0)`;
}
