import type { Health } from "../../store/types.ts";
import type { NvmlState } from "./provider-state.ts";
import type { GpuSample } from "./sample.ts";

/** What is known of one GPU, for metrics. */
export interface NvmlGpuFacts {
  readonly uuid: string;
  /** By the provider's own conditions, those that are only advice aside. */
  readonly health: Health;
  /** recommended_action; "" for none. */
  readonly action: string;
  /** By code; 0 stands for codes that the catalogue does not have. */
  readonly xids: ReadonlyMap<number, number>;
  /** The last reading; undefined before the first. */
  readonly sample: GpuSample | undefined;
  readonly nvLinksUp: number;
  readonly nvLinksTotal: number;
  /** Since the last reading of a GPU that answered; undefined before the first. */
  readonly sampleAgeMs: number | undefined;
}

/** What is known of the provider as a whole. Counters start with the server. */
export interface NvmlFacts {
  readonly state: NvmlState["kind"];
  /** Rounds or events come in, or both. */
  readonly monitorRunning: boolean;
  readonly driverVersion: string | undefined;
  readonly nvmlVersion: string | undefined;
  readonly gpus: readonly NvmlGpuFacts[];
  readonly hostStarts: number;
  /** Host processes that ended without being asked to. */
  readonly hostCrashes: number;
  /** Times that the driver, or the host process, did not answer in time, by function; "" where none was seen. */
  readonly hangs: ReadonlyMap<string, number>;
  /** The NVML call that runs now, as of the last pulse. */
  readonly runningCall: { readonly name: string; readonly ms: number } | undefined;
  /** The longest call that a pulse has seen, in milliseconds. */
  readonly longestCallMs: number;
  /** Events that were lost on their way. */
  readonly eventsDropped: number;
  /** Events that named no GPU. */
  readonly eventsUnattributed: number;
}
