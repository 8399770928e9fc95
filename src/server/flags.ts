import { DEFAULT_THRESHOLDS, type Thresholds } from "../provider/nvml/thresholds.ts";
import { SIMULATED_GPUS_MAX } from "../provider/simulated/simulated-provider.ts";
import { DEFAULT_RULES } from "../store/condition-rules.ts";
import type {
  BoolFlag,
  DurationFlag,
  EnumFlag,
  FlagTable,
  FlagValues,
  IntFlag,
  ListFlag,
  PortFlag,
  StringFlag,
} from "./flags-kinds.ts";

type Extra = Partial<Pick<StringFlag, "variable" | "shownDefault" | "placeholder" | "short">>;

/** Declares the flags of one group: kind and default first, what it does last. */
function inGroup(group: string) {
  return {
    string: (value: string, help: string, extra: Extra = {}): StringFlag => {
      return { kind: "string", default: value, help, group, ...extra };
    },
    list: (value: readonly string[], help: string, extra: Extra = {}): ListFlag => {
      return { kind: "list", default: value, help, group, ...extra };
    },
    bool: (value: boolean, help: string, extra: Extra = {}): BoolFlag => {
      return { kind: "bool", default: value, help, group, ...extra };
    },
    int: (value: number, range: readonly [number, number], help: string, extra: Extra = {}): IntFlag => {
      return { kind: "int", default: value, min: range[0], max: range[1], help, group, ...extra };
    },
    port: (value: number, help: string): PortFlag => ({ kind: "port", default: value, help, group }),
    duration: (seconds: number, range: readonly [number, number], help: string, extra: Extra = {}): DurationFlag => {
      const [min, max] = range;
      return { kind: "duration", default: seconds * 1_000, min: min * 1_000, max: max * 1_000, help, group, ...extra };
    },
    oneOf: <const V extends string>(value: V, values: readonly V[], help: string, extra: Extra = {}): EnumFlag<V> => {
      return { kind: "enum", default: value, values, help, group, ...extra };
    },
  };
}

const listeners = inGroup("Listeners");
const authority = inGroup("Who may write");
const conditions = inGroup("Conditions and providers");
const limits = inGroup("Limits");
const lifecycle = inGroup("Life and logs");
const nvml = inGroup("NVML provider");
const other = inGroup("Other");

/** 4 MiB is what gRPC clients and servers accept unless told otherwise. */
const MESSAGE_BYTES_DEFAULT = 4 * 1_024 * 1_024;
/** A list of GPUs takes at most 3.5 MiB; nothing on this contract has use for more than 64. */
const MESSAGE_BYTES_MAX = 64 * 1_024 * 1_024;
/** About 17 kB each: 70 MB for a node on which everything connects. */
const CONNECTIONS_DEFAULT = 4_096;
/** Most pods run as one uid (0), so half of all; the other half stays for everybody else. */
const CONNECTIONS_PER_UID_DEFAULT = 2_048;
/** 17 kB each: 1.1 GB. */
const CONNECTIONS_MAX = 65_536;
const HOUR_S = 3_600;
const DAY_S = 24 * HOUR_S;

/**
 * A fault that has to be read is to reach consumers within a second (p99): half of that is the period, and the rest for
 * the reading itself, the pipe and a busy machine.
 */
const NVML_PERIOD_S = 0.5;
/** More than a GPU can retire would never be reached. */
const RETIRED_PAGES_ALL = 64;
/** Between the thresholds for slowdown and an idle GPU there are some 60 degrees. */
const MARGIN_MAX_C = 50;
const ROUNDS_MAX = 1_000;
const LINK_ERRORS_MAX = 1_000_000_000;

const inSeconds = (threshold: Extract<keyof Thresholds, `${string}Ms`>): number =>
  DEFAULT_THRESHOLDS[threshold] / 1_000;

/**
 * Every flag of `serve`. Names, variables and defaults of the existing ones are fixed: manifests are written against
 * them. --help, the parser and the typed configuration are made from this table.
 */
export const SERVE_FLAGS = {
  "grpc-address": listeners.string("127.0.0.1:50051", 'TCP address for gRPC; "" for none', {
    placeholder: "HOST:PORT",
  }),
  "unix-socket": listeners.list(
    ["/var/run/device-api/device.sock"],
    'unix socket for gRPC, mode 0660; repeatable; "" for none',
    { placeholder: "PATH" },
  ),
  "socket-group": listeners.string("", "group of the sockets, by name or gid", {
    placeholder: "GROUP",
    shownDefault: "the server's own",
  }),
  "insecure-bind": listeners.bool(false, "allow a TCP address that is not loopback, for reading only"),
  "http-host": listeners.string("", "address for the health and metrics ports", {
    placeholder: "HOST",
    shownDefault: "all",
  }),
  "health-port": listeners.port(8081, "port of /healthz, /livez and /readyz; 0 picks a free one"),
  "metrics-port": listeners.port(9090, "port of /metrics; 0 picks a free one"),
  "ui-address": listeners.string("127.0.0.1:8082", 'TCP address of the page and the JSON API; "" for none', {
    placeholder: "HOST:PORT",
  }),

  "provider-uids": authority.list(["0", "self"], "uids that may write; self is the server's own", {
    placeholder: "UID,...",
  }),
  "provider-gids": authority.list([], "gids that may write, primary or supplementary", {
    placeholder: "GID,...",
    shownDefault: "none",
  }),
  provider: authority.list([], "tie a provider id to a uid; repeatable", {
    placeholder: "ID=UID",
    shownDefault: "none",
  }),
  "tcp-allow-providers": authority.bool(false, "let callers on a loopback TCP address write"),

  "inverted-conditions": conditions.list(DEFAULT_RULES.inverted, "condition types for which True is bad (globs)", {
    placeholder: "GLOB,...",
  }),
  "advisory-conditions": conditions.list(
    DEFAULT_RULES.advisory,
    "condition types that are shown and do not count for Ready (globs)",
    { placeholder: "GLOB,..." },
  ),
  "provider-lease": conditions.duration(30, [1, DAY_S], "silence after which a provider with heartbeats is lost"),
  simulate: conditions.int(0, [0, SIMULATED_GPUS_MAX], "run so many simulated GPUs"),

  "max-connections": limits.int(CONNECTIONS_DEFAULT, [1, CONNECTIONS_MAX], "gRPC connections in all"),
  "max-connections-per-uid": limits.int(
    CONNECTIONS_PER_UID_DEFAULT,
    [1, CONNECTIONS_MAX],
    "gRPC connections of one uid",
  ),
  "max-message-bytes": limits.int(MESSAGE_BYTES_DEFAULT, [1_024, MESSAGE_BYTES_MAX], "longest message accepted"),

  "shutdown-delay": lifecycle.duration(5, [0, HOUR_S], 'time between "not ready" and closing'),
  "shutdown-timeout": lifecycle.duration(30, [0, HOUR_S], "time that calls in flight get to finish"),
  "log-format": lifecycle.oneOf("json", ["json", "text"], "form of the log lines, on standard error"),
  v: lifecycle.int(0, [0, 10], "verbosity of the log; 4 logs every call", { variable: "" }),
  "node-name": lifecycle.string("", "name of this node", {
    variable: "NODE_NAME",
    placeholder: "NAME",
    shownDefault: "the host's name",
  }),

  "enable-nvml-provider": nvml.bool(false, "report the GPUs of this node through NVML", {
    variable: "DEVICE_API_NVML_ENABLED",
  }),
  "nvml-driver-root": nvml.string("/run/nvidia/driver", "root under which libnvidia-ml.so.1 is searched", {
    placeholder: "PATH",
  }),
  "nvml-health-check": nvml.bool(true, "watch the health of the GPUs, not only their presence"),
  "nvml-ignored-xids": nvml.list([], "Xids to ignore beyond those of the catalogue", {
    placeholder: "XID,...",
    shownDefault: "none",
  }),
  "nvml-mig": nvml.bool(false, "report each MIG instance as a GPU of its own beside the whole one"),
  "nvml-period": nvml.duration(NVML_PERIOD_S, [0.1, 60], "time between two readings of all GPUs"),
  "nvml-hang-timeout": nvml.duration(0, [1, HOUR_S], "length of a driver call after which its process is killed", {
    shownDefault: "3 periods, at least 5s",
  }),
  "nvml-unread-rounds": nvml.int(
    DEFAULT_THRESHOLDS.unreadRoundsMax,
    [1, ROUNDS_MAX],
    "failed readings in a row that make a condition Unknown",
  ),
  "nvml-gone-after": nvml.duration(inSeconds("goneMs"), [1, DAY_S], "a GPU that is away for so long was taken out"),
  "nvml-thermal-margin": nvml.int(
    DEFAULT_THRESHOLDS.thermalMarginC,
    [0, MARGIN_MAX_C],
    "degrees below the slowdown threshold that are cool again",
    { placeholder: "DEGREES" },
  ),
  "nvml-thermal-quiet": nvml.duration(inSeconds("thermalQuietMs"), [0, DAY_S], "cool for so long ends a thermal fault"),
  "nvml-power-quiet": nvml.duration(
    inSeconds("powerQuietMs"),
    [0, DAY_S],
    "no slowdown for so long ends a power fault",
  ),
  "nvml-link-quiet": nvml.duration(inSeconds("linkQuietMs"), [0, DAY_S], "up for so long ends the fault of a link"),
  "nvml-link-errors": nvml.int(
    DEFAULT_THRESHOLDS.linkErrorsMax,
    [1, LINK_ERRORS_MAX],
    "errors of one NVLink within the window that are a fault",
  ),
  "nvml-link-error-window": nvml.duration(
    inSeconds("linkErrorWindowMs"),
    [1, HOUR_S],
    "time over which the errors of a link are counted",
  ),
  "nvml-link-error-quiet": nvml.duration(
    inSeconds("linkErrorQuietMs"),
    [1, DAY_S],
    "a tenth of the errors for so long ends the fault",
  ),
  "nvml-fabric-quiet": nvml.duration(inSeconds("fabricQuietMs"), [0, DAY_S], "good for so long ends a fabric fault"),
  "nvml-unattributed-quiet": nvml.duration(
    inSeconds("unattributedQuietMs"),
    [1, DAY_S],
    "verdict NONE for so long ends a fault that named no GPU",
  ),
  "nvml-retired-pages": nvml.int(
    DEFAULT_THRESHOLDS.retiredPagesMax,
    [1, RETIRED_PAGES_ALL],
    "retired pages of memory that are a fault",
  ),

  help: other.bool(false, "show this help", { variable: "", short: "h" }),
  version: other.bool(false, "show the version", { variable: "" }),
} as const satisfies FlagTable;

export type ServeFlags = FlagValues<typeof SERVE_FLAGS>;
