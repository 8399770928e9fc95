import type { RecommendedAction, XidBucket, XidClearing, XidEffect, XidInvestigation } from "./entry.ts";

/** What the server makes of a bucket. */
export interface BucketRule {
  readonly effect: XidEffect;
  readonly action: RecommendedAction;
  readonly clearings: readonly XidClearing[];
  /** What to do, for a person. */
  readonly advice: string;
}

/** A reset begins the GPU's state anew; what asks for more than a reset is not cleared by one. */
const BY_RESET: readonly XidClearing[] = ["verdict", "reset", "boot", "operator"];
const BY_BOOT: readonly XidClearing[] = ["verdict", "boot", "operator"];

const NO_ACTION =
  "NVIDIA's catalogue names no action. Follow the driver's verdict: \"GPU Recovery Action\" in nvidia-smi -q.";

/**
 * RESET_GPU and whatever asks for more makes a GPU unhealthy; IGNORE and RESTART_APP leave it healthy. A bucket that
 * needs more than the code (the kernel's log line, other Xids) to tell whether anything is wrong is left to the
 * driver's verdict. Where somebody has to look, the advice is CONTACT_SUPPORT: no automatic action would help.
 */
export const BUCKET_RULES: Readonly<Record<XidBucket, BucketRule>> = {
  IGNORE: { effect: "none", action: "NONE", clearings: [], advice: "Nothing needs to be done." },
  RESTART_APP: {
    effect: "none",
    action: "RESTART_APP",
    clearings: [],
    advice: "Restart the application that used the GPU, if it has not ended by itself. Others go on.",
  },
  RESET_GPU: {
    effect: "unhealthy",
    action: "COMPONENT_RESET",
    clearings: BY_RESET,
    advice: "Drain the GPU and reset it (nvidia-smi --gpu-reset). Where it cannot be reset alone, restart the machine.",
  },
  RESTART_VM: {
    effect: "unhealthy",
    action: "RESTART_VM",
    clearings: BY_BOOT,
    advice: "Restart the virtual machine that the GPU belongs to.",
  },
  // A GPU that comes back on the bus counts as reset.
  RESTART_BM: {
    effect: "unhealthy",
    action: "RESTART_BM",
    clearings: BY_RESET,
    advice: "Drain the node and restart the machine.",
  },
  CONTACT_SUPPORT: {
    effect: "unhealthy",
    action: "CONTACT_SUPPORT",
    clearings: BY_BOOT,
    advice: "Take the GPU out of service, collect nvidia-bug-report.sh, and contact the vendor's support.",
  },
  CHECK_MECHANICALS: {
    effect: "unhealthy",
    action: "CONTACT_SUPPORT",
    clearings: BY_BOOT,
    advice: "Have somebody check the GPU in the machine: its power cable and its seat.",
  },
  CHECK_UVM: {
    effect: "verdict",
    action: "CONTACT_SUPPORT",
    clearings: BY_RESET,
    advice: "Look in the kernel's log for what the nvidia-uvm module said at that time.",
  },
  UPDATE_SWFW: {
    effect: "unhealthy",
    action: "CONTACT_SUPPORT",
    clearings: BY_BOOT,
    advice: "Update driver and firmware to versions that go together.",
  },
  // It announces a verdict, which is read anyway and decides by itself.
  XID_154: {
    effect: "none",
    action: "NONE",
    clearings: [],
    advice: 'Follow the driver\'s verdict: "GPU Recovery Action" in nvidia-smi -q.',
  },
  WORKFLOW_XID_45: {
    effect: "none",
    action: "RESTART_APP",
    clearings: [],
    advice:
      "Beside another Xid, follow that one. Alone, restart the application, and where that does not help the fabric " +
      "manager.",
  },
  WORKFLOW_XID_48: {
    effect: "unhealthy",
    action: "COMPONENT_RESET",
    clearings: BY_RESET,
    advice:
      "Drain the GPU and reset it. Xid 63 beside this one says that the reset remaps the bad row, Xid 64 that it " +
      "cannot.",
  },
  WORKFLOW_NVLINK_ERR: {
    effect: "unhealthy",
    action: "CONTACT_SUPPORT",
    clearings: BY_RESET,
    advice:
      "Beside another Xid, follow that one. Alone, the register words of the kernel's log line tell the cause: check " +
      "the link's connectors, and contact the vendor's support.",
  },
  WORKFLOW_NVLINK5_ERR: {
    effect: "verdict",
    action: "COMPONENT_RESET",
    clearings: BY_RESET,
    advice:
      "Follow the driver's verdict. Without one, the link's intrInfo and errorStatus in the kernel's log line tell " +
      "whether to ignore it or to reset the GPU.",
  },
  BLANK: { effect: "verdict", action: "NONE", clearings: BY_RESET, advice: NO_ACTION },
  UNKNOWN: { effect: "verdict", action: "NONE", clearings: BY_RESET, advice: NO_ACTION },
};

/** Each as a phrase after "cleared by". */
export const CLEARING_TEXTS: Readonly<Record<Exclude<XidClearing, "xid">, string>> = {
  verdict: "the driver's verdict when it reads NONE after it had asked for something",
  reset: "a reset of the GPU",
  boot: "a new boot",
  operator: "an operator's word (device-api-server clear NAME --reason TEXT)",
};

/** What to do about the cause, for a person; "" where the catalogue asks for nothing more. */
export const INVESTIGATION_TEXTS: Readonly<Record<XidInvestigation, string>> = {
  NONE: "",
  IGNORE: "",
  IGNORE_SYMPATHETIC: "the Xid beside it tells the cause",
  CONTACT_SUPPORT: "contact the vendor's support",
  "CHECK_APP/CUDA": "check the application and its CUDA version",
  INVESTIGATE_SW: "look for a fault in driver or firmware",
  INVESTIGATE_SW_USER: "look for a fault in the software in use",
  INVESTIGATE_LINK_SI: "check the signal quality of the link",
  UPDATE_SWFW: "update driver and firmware",
  SOLO_RESTART_FM: "the Xid beside it tells the cause; alone, restart the fabric manager",
  SYMPATHETIC_REPORT_SOLO: "the Xid beside it tells the cause; alone, report it to the vendor",
  FOLLOW_OTHER_XID: "the Xid beside it tells the cause",
  XID_137_FLOW: "look for what the GPU at the other end of the link reported",
  WORKFLOW_XID_13:
    "check the application; where it comes again on the same unit (GPC, TPC) of one GPU, run diagnostics",
  WORKFLOW_XID_31: "check the application; where it comes again on the same GPU, run diagnostics",
  WORKFLOW_XID_48: "where it comes again after the reset, run diagnostics",
  WORKFLOW_NVLINK5_ERR: "the log line tells which end of the link to look at",
  BLANK: "",
  UNKNOWN: "",
};
