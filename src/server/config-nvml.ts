import type { Thresholds } from "../provider/nvml/thresholds.ts";
import { KILL_PERIODS_MIN } from "../provider/nvml/watchdog.ts";
import { parseIds } from "./config-values.ts";
import { formatDuration } from "./duration.ts";
import type { ServeFlags } from "./flags.ts";
import { UsageError } from "./flags-kinds.ts";

export interface NvmlConfig {
  readonly enabled: boolean;
  /** Between two readings of all GPUs. */
  readonly periodMs: number;
  readonly driverRoot: string;
  readonly healthCheck: boolean;
  readonly ignoredXids: ReadonlySet<number>;
  /** Whether MIG instances are objects of their own. */
  readonly mig: boolean;
  readonly thresholds: Thresholds;
  /** Undefined: what follows from the period. */
  readonly hangTimeoutMs: number | undefined;
}

/** Throws UsageError naming the flag. */
export function createNvmlConfig(flags: ServeFlags): NvmlConfig {
  for (const [longer, shorter, factor, why] of CONTRADICTIONS) checkAtLeast(flags, longer, shorter, factor, why);
  const hangTimeoutMs = flags["nvml-hang-timeout"];
  return Object.freeze({
    enabled: flags["enable-nvml-provider"],
    periodMs: flags["nvml-period"],
    driverRoot: flags["nvml-driver-root"],
    healthCheck: flags["nvml-health-check"],
    ignoredXids: parseIds(flags["nvml-ignored-xids"], "--nvml-ignored-xids", "an Xid"),
    mig: flags["nvml-mig"],
    thresholds: thresholdsOf(flags),
    hangTimeoutMs: hangTimeoutMs === 0 ? undefined : hangTimeoutMs,
  });
}

function thresholdsOf(flags: ServeFlags): Thresholds {
  return Object.freeze<Thresholds>({
    thermalMarginC: flags["nvml-thermal-margin"],
    thermalQuietMs: flags["nvml-thermal-quiet"],
    powerQuietMs: flags["nvml-power-quiet"],
    linkQuietMs: flags["nvml-link-quiet"],
    linkErrorsMax: flags["nvml-link-errors"],
    linkErrorWindowMs: flags["nvml-link-error-window"],
    linkErrorQuietMs: flags["nvml-link-error-quiet"],
    fabricQuietMs: flags["nvml-fabric-quiet"],
    unattributedQuietMs: flags["nvml-unattributed-quiet"],
    retiredPagesMax: flags["nvml-retired-pages"],
    unreadRoundsMax: flags["nvml-unread-rounds"],
    goneMs: flags["nvml-gone-after"],
  });
}

type DurationName = "nvml-period" | "nvml-hang-timeout" | "nvml-link-error-window" | "nvml-link-error-quiet";

/** The first has to be at least so many times the second; 0 stands for a default that follows the second. */
const CONTRADICTIONS: readonly (readonly [DurationName, DurationName, factor: number, why: string])[] = [
  ["nvml-hang-timeout", "nvml-period", KILL_PERIODS_MIN, "a call that is merely slow has to have time to return"],
  ["nvml-link-error-window", "nvml-period", 2, "errors are counted between the readings within it"],
  ["nvml-link-error-quiet", "nvml-link-error-window", 1, "a window that has just begun would count as quiet"],
];

function checkAtLeast(
  flags: ServeFlags,
  longer: DurationName,
  shorter: DurationName,
  factor: number,
  why: string,
): void {
  const value = flags[longer];
  const leastMs = factor * flags[shorter];
  if (value === 0 || value >= leastMs) return;
  const times = factor === 1 ? "" : `${factor} times `;
  const limit = `${times}--${shorter} (${formatDuration(flags[shorter])})`;
  throw new UsageError(
    `--${longer}: ${formatDuration(value)} is less than ${limit}: ${why}; give at least ${formatDuration(leastMs)}`,
  );
}
