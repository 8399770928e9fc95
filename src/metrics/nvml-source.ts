import type { CallTimes } from "../native/calls-page.ts";

/** The states of the NVML provider; it is in exactly one. */
export const NVML_STATES = ["library-missing", "initialising", "running", "degraded", "hung", "stopped"] as const;
/** A GPU is in exactly one of these. */
export const GPU_HEALTHS = ["healthy", "unhealthy", "unknown"] as const;

/** What is known of the NVML provider as a whole. What is counted is counted from the start of the server on. */
export interface NvmlSource {
  readonly state: (typeof NVML_STATES)[number];
  /** Rounds or events come in, or both. */
  readonly monitorRunning: boolean;
  readonly driverVersion: string | undefined;
  readonly nvmlVersion: string | undefined;
  readonly gpus: readonly NvmlGpuSource[];
  readonly hostStarts: number;
  /** Host processes that ended without being asked to. */
  readonly hostCrashes: number;
  /** Times that the driver, or the host process, did not answer in time, by function; "" where none was seen. */
  readonly hangs: ReadonlyMap<string, number>;
  /** The NVML call that has been running for longest; undefined where none does, or only the wait for events. */
  readonly runningCall: { readonly name: string; readonly ms: number } | undefined;
  /** Calls that have ended, by function. */
  readonly calls: ReadonlyMap<string, CallTimes>;
  /** The longest call by function, in milliseconds; also one that is running or never came back. */
  readonly longestCallMs: ReadonlyMap<string, number>;
  /** Events that were lost on their way. */
  readonly eventsDropped: number;
  /** Events that named no GPU. */
  readonly eventsUnattributed: number;
}

/** What is known of one GPU. */
export interface NvmlGpuSource {
  readonly uuid: string;
  /** By the provider's own conditions, those that are only advice aside. */
  readonly health: (typeof GPU_HEALTHS)[number];
  /** recommended_action; "" for none. */
  readonly action: string;
  /** By code; 0 stands for codes that the catalogue does not have. */
  readonly xids: ReadonlyMap<number, number>;
  /** The last reading; undefined before the first, and while the GPU is lost. */
  readonly sample: NvmlSampleSource | undefined;
  /** Since the last reading of a GPU that answered; undefined before the first. */
  readonly sampleAgeMs: number | undefined;
}

/** One reading. A value is undefined where the GPU does not have it, or where reading it failed. */
export interface NvmlSampleSource {
  readonly temperatureC: number | undefined;
  readonly slowdownC: number | undefined;
  /** Milliwatts. */
  readonly powerMw: number | undefined;
  readonly eccVolatileCorrected: bigint | undefined;
  readonly eccVolatileUncorrected: bigint | undefined;
  readonly eccAggregateCorrected: bigint | undefined;
  readonly eccAggregateUncorrected: bigint | undefined;
  readonly remappedRows:
    | {
        readonly corrected: number;
        readonly uncorrected: number;
        readonly pending: boolean;
        readonly failed: boolean;
      }
    | undefined;
  readonly retiredPages: { readonly singleBit: number; readonly doubleBit: number } | undefined;
  readonly sramEcc: { readonly thresholdExceeded: boolean } | undefined;
  /** Those that the GPU has. */
  readonly nvLinks: readonly { readonly active: boolean }[];
}
