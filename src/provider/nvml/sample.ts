/**
 * One reading of one GPU, as the sampler thread of the shim took it. A value is undefined where the driver does not
 * have it (NOT_SUPPORTED, FUNCTION_NOT_FOUND) or where reading it failed; `failures` tells the second from the first.
 */
export interface GpuSample {
  /** As NVML prints it, `GPU-…`; the GPU's name and spec.uuid. */
  readonly uuid: string;
  /** NVML's index in this round; moves between boots and on hot plug. */
  readonly index: number;
  /** Product name. */
  readonly product: string;
  /** PCI bus id, `00000000:3B:00.0`. */
  readonly busId: string;
  /** CLOCK_MONOTONIC when the reading was complete. */
  readonly monoNs: bigint;
  /** NVML_ERROR_GPU_IS_LOST from any call. */
  readonly lost: boolean;
  /** Calls that failed otherwise: the function's name and its nvmlReturn_t. */
  readonly failures: readonly { readonly call: string; readonly code: number }[];
  /** Degrees Celsius. */
  readonly temperatureC: number | undefined;
  readonly slowdownC: number | undefined;
  readonly shutdownC: number | undefined;
  /** nvmlClocksEventReason bits. */
  readonly clockReasons: bigint | undefined;
  /** Milliwatts. */
  readonly powerMw: number | undefined;
  /** Since the last driver load. */
  readonly eccVolatileCorrected: bigint | undefined;
  readonly eccVolatileUncorrected: bigint | undefined;
  /** Over the GPU's life. */
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
  readonly retiredPages:
    | { readonly singleBit: number; readonly doubleBit: number; readonly pending: boolean }
    | undefined;
  readonly sramEcc: { readonly uncorrected: bigint; readonly thresholdExceeded: boolean } | undefined;
  /** By link; a link that the GPU does not have is missing. */
  readonly nvLinks: readonly NvLinkSample[];
  /** nvmlGpuFabricState_t, its status, and the health mask; undefined on machines without a fabric. */
  readonly fabric: { readonly state: number; readonly status: number; readonly healthMask: number } | undefined;
  readonly mig: { readonly current: number; readonly pending: number } | undefined;
  /** All MIG instances there are; undefined where nobody looked for them or the list could not be read whole. */
  readonly instances: readonly MigInstance[] | undefined;
  /** Field 230, NVML_FI_DEV_GET_GPU_RECOVERY_ACTION: 0 NONE, 1 GPU_RESET, 2 NODE_REBOOT and so on. */
  readonly recoveryAction: number | undefined;
}

export interface NvLinkSample {
  readonly link: number;
  readonly active: boolean;
  /** Sum of the link's error counters (replay, recovery, CRC); undefined where none can be read. */
  readonly errors: bigint | undefined;
}

/** A MIG device: a compute instance within a GPU instance. */
export interface MigInstance {
  /** As NVML prints it, `MIG-…`. */
  readonly uuid: string;
  /** Undefined where the driver does not tell it. */
  readonly gpuInstance: number | undefined;
  readonly computeInstance: number | undefined;
}

/** An event as nvmlEventSetWait_v2 delivered it, or one that the shim itself reports. */
export interface NvmlEvent {
  /** Counts events that were dropped too, so that a gap shows. */
  readonly seq: bigint;
  readonly monoNs: bigint;
  readonly realNs: bigint;
  /** nvmlEventType bits: 0x8 is an Xid, 0x8000 a changed recovery action … */
  readonly type: bigint;
  /** For an Xid its number. */
  readonly data: bigint;
  /** Undefined where the event named no device that is known. */
  readonly uuid: string | undefined;
  /** Undefined without MIG (0xFFFFFFFF; some libraries send 0 where MIG is off). */
  readonly gpuInstance: number | undefined;
  readonly computeInstance: number | undefined;
}

/** One round of the sampler: all GPUs that enumeration showed, in NVML's order. */
export interface NvmlRound {
  readonly round: number;
  readonly monoNs: bigint;
  /** nvmlReturn_t of enumeration as a whole; 0 where it worked. */
  readonly code: number;
  readonly gpus: readonly GpuSample[];
}

/** What the host process says, in order. Anything it cannot say it ends with its exit. */
export type HostMessage =
  /** First, once: the library is loaded and initialised. */
  | {
      readonly kind: "ready";
      readonly libraryPath: string;
      readonly driverVersion: string;
      readonly nvmlVersion: string;
      readonly gpuCount: number;
      /** Whether the event thread runs; without it the sampler alone is left. */
      readonly events: boolean;
    }
  /** Initialisation failed; the host exits after it. */
  | {
      readonly kind: "failed";
      /** `load`: no library that fits; `init`: nvmlInit said no. */
      readonly stage: "load" | "init";
      /** nvmlReturn_t, or 0 for a library that could not be loaded. */
      readonly code: number;
      readonly message: string;
    }
  | { readonly kind: "round"; readonly round: NvmlRound }
  | { readonly kind: "event"; readonly event: NvmlEvent }
  /** Events were lost between the shim's ring and here: sample everything afresh, which the shim has begun to do. */
  | { readonly kind: "gap"; readonly dropped: number }
  /** The event thread lost its set and builds a new one (degraded), or has it again. */
  | { readonly kind: "events"; readonly running: boolean; readonly code: number }
  /** Every 100 ms: the NVML call each thread is in, and since when (CLOCK_MONOTONIC); undefined outside of calls. */
  | {
      readonly kind: "pulse";
      readonly monoNs: bigint;
      readonly sampler: RunningCall | undefined;
      readonly eventThread: RunningCall | undefined;
    };

export interface RunningCall {
  /** For example `nvmlDeviceGetTemperature`. */
  readonly name: string;
  readonly sinceNs: bigint;
}
