/**
 * The column "immediate action" of NVIDIA's catalogue. BLANK is a row that the catalogue leaves open, UNKNOWN a code
 * that it does not have.
 */
export type XidBucket =
  | "IGNORE"
  | "RESTART_APP"
  | "RESET_GPU"
  | "RESTART_VM"
  | "RESTART_BM"
  | "CONTACT_SUPPORT"
  | "CHECK_MECHANICALS"
  | "CHECK_UVM"
  | "UPDATE_SWFW"
  | "XID_154"
  | "WORKFLOW_XID_45"
  | "WORKFLOW_XID_48"
  | "WORKFLOW_NVLINK_ERR"
  | "WORKFLOW_NVLINK5_ERR"
  | "BLANK"
  | "UNKNOWN";

/** The column "investigatory action": who looks for the cause afterwards. NONE: the catalogue asks for nothing. */
export type XidInvestigation =
  | "NONE"
  | "IGNORE"
  | "IGNORE_SYMPATHETIC"
  | "CONTACT_SUPPORT"
  | "CHECK_APP/CUDA"
  | "INVESTIGATE_SW"
  | "INVESTIGATE_SW_USER"
  | "INVESTIGATE_LINK_SI"
  | "UPDATE_SWFW"
  | "SOLO_RESTART_FM"
  | "SYMPATHETIC_REPORT_SOLO"
  | "FOLLOW_OTHER_XID"
  | "XID_137_FLOW"
  | "WORKFLOW_XID_13"
  | "WORKFLOW_XID_31"
  | "WORKFLOW_XID_48"
  | "WORKFLOW_NVLINK5_ERR"
  | "BLANK"
  | "UNKNOWN";

/** The words of recommended_action. */
export type RecommendedAction =
  | "NONE"
  | "RESTART_APP"
  | "COMPONENT_RESET"
  | "RESTART_VM"
  | "RESTART_BM"
  | "RUN_DCGMEUD"
  | "RUN_FIELDDIAG"
  | "CONTACT_SUPPORT"
  | "REPLACE_VM";

/**
 * What an Xid does to the health of its GPU: `none` leaves it healthy and is counted only; `unhealthy` makes it
 * unhealthy; `verdict` makes it unhealthy if the driver's own verdict (field 230) asks for an action, or if there is no
 * verdict to be had.
 */
export type XidEffect = "none" | "unhealthy" | "verdict";

/**
 * What makes a GPU well again after the Xid. `verdict`: the driver's verdict reads NONE after it had read something
 * else since the fault. `reset`: a reset was seen. `boot`: a new boot. `operator`: somebody said so. `xid`: another Xid
 * cancels this one.
 */
export type XidClearing = "verdict" | "reset" | "boot" | "operator" | "xid";

/** A row as the sources have it: code, mnemonic, description, bucket, investigation, fatal where known. */
export type XidRow = readonly [
  code: number,
  mnemonic: string,
  description: string,
  bucket: XidBucket,
  investigation: XidInvestigation,
  fatal?: boolean,
];

/** One code, with what this server makes of it. */
export interface XidEntry {
  readonly code: number;
  readonly mnemonic: string;
  readonly description: string;
  readonly bucket: XidBucket;
  readonly investigation: XidInvestigation;
  /** As NVIDIA's health monitor has it; undefined where it says nothing. No rule follows from it. */
  readonly fatal: boolean | undefined;
  readonly effect: XidEffect;
  /** The reason of NVMLReady where it makes a GPU unhealthy. */
  readonly reason: "XidError" | "GPULost";
  /** It says something of its own only where no other Xid of the same GPU came with it. */
  readonly onlyAlone: boolean;
  /** What to do, where the driver's own verdict says nothing. */
  readonly action: RecommendedAction;
  /** The same in a sentence or two. */
  readonly advice: string;
  /** Empty where there is nothing to clear. */
  readonly clearings: readonly XidClearing[];
  /** The same as a phrase, to stand after "cleared by". */
  readonly clearedBy: string;
  /** Codes whose fault this one ends. */
  readonly cancels: readonly number[];
  /** What else is known about it; "" for nothing. */
  readonly note: string;
}
