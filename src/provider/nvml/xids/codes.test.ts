import { expect, test } from "bun:test";
import { xidOf } from "./catalogue.ts";
import type { XidRow } from "./entry.ts";

/** Copied from the sources by hand, apart from the catalogue's own rows: a slip of a column or of a line shows here. */
const COPIED: readonly XidRow[] = [
  [1, "ROBUST_CHANNEL_FIFO_ERROR_FIFO_METHOD", "Unused", "CONTACT_SUPPORT", "NONE", true],
  [8, "ROBUST_CHANNEL_FIFO_ERROR_IDLE_TIMEOUT", "GPU stopped processing", "RESTART_APP", "CONTACT_SUPPORT", false],
  [
    13,
    "ROBUST_CHANNEL_GR_EXCEPTION / ROBUST_CHANNEL_GR_ERROR_SW_NOTIFY",
    "Graphics engine exception",
    "RESTART_APP",
    "WORKFLOW_XID_13",
    false,
  ],
  [14, "ROBUST_CHANNEL_FAKE_ERROR", "Unused", "IGNORE", "CONTACT_SUPPORT", false],
  [31, "ROBUST_CHANNEL_FIFO_ERROR_MMU_ERR_FLT", "GPU memory page fault", "RESTART_APP", "WORKFLOW_XID_31", false],
  [32, "ROBUST_CHANNEL_PBDMA_ERROR", "Invalid or corrupted push buffer stream", "RESTART_APP", "CHECK_APP/CUDA", false],
  [43, "ROBUST_CHANNEL_RESETCHANNEL_VERIF_ERROR", "GPU stopped processing", "IGNORE", "CONTACT_SUPPORT", false],
  [
    45,
    "ROBUST_CHANNEL_PREEMPTIVE_REMOVAL",
    "Preemptive cleanup, due to previous errors",
    "WORKFLOW_XID_45",
    "SOLO_RESTART_FM",
    false,
  ],
  [46, "ROBUST_CHANNEL_GPU_TIMEOUT_ERROR", "GPU stopped processing", "RESET_GPU", "CONTACT_SUPPORT", true],
  [48, "ROBUST_CHANNEL_GPU_ECC_DBE", "Double bit ECC error", "WORKFLOW_XID_48", "WORKFLOW_XID_48", true],
  [
    54,
    "SILENT_RUNNING_PWR_REDUCED_CLOCKING",
    "Auxiliary power not connected",
    "CHECK_MECHANICALS",
    "CONTACT_SUPPORT",
    true,
  ],
  [61, "PMU_BREAKPOINT", "Unused", "CONTACT_SUPPORT", "NONE", true],
  [62, "PMU_HALT_ERROR", "Internal micro-controller halt (newer drivers)", "RESET_GPU", "CONTACT_SUPPORT", true],
  [63, "INFOROM_DRAM_RETIREMENT_EVENT", "GPU memory remapping event", "IGNORE", "IGNORE", false],
  [64, "INFOROM_DRAM_RETIREMENT_FAILURE", "GPU memory remapping failure", "RESET_GPU", "CONTACT_SUPPORT", true],
  [74, "NVLINK_ERROR", "NVLink error", "WORKFLOW_NVLINK_ERR", "CONTACT_SUPPORT", true],
  [78, "VGPU_START_ERROR", "vGPU start error", "UPDATE_SWFW", "UPDATE_SWFW", true],
  [
    79,
    "ROBUST_CHANNEL_GPU_HAS_FALLEN_OFF_THE_BUS",
    "GPU has fallen off the bus",
    "RESTART_BM",
    "CONTACT_SUPPORT",
    true,
  ],
  [92, "EXCESSIVE_SBE_INTERRUPTS", "High single-bit ECC error rate", "IGNORE", "CONTACT_SUPPORT", false],
  [94, "ROBUST_CHANNEL_CONTAINED_ERROR", "Contained memory error", "RESTART_APP", "IGNORE_SYMPATHETIC", false],
  [95, "ROBUST_CHANNEL_UNCONTAINED_ERROR", "Uncontained memory error", "RESET_GPU", "IGNORE_SYMPATHETIC", true],
  [109, "ROBUST_CHANNEL_CTXSW_TIMEOUT_ERROR", "Context switch timeout", "RESET_GPU", "CONTACT_SUPPORT", true],
  [119, "GSP_RPC_TIMEOUT", "GSP RPC timeout", "RESET_GPU", "INVESTIGATE_SW", true],
  [121, "C2C_ERROR", "C2C error", "IGNORE", "CONTACT_SUPPORT", false],
  [136, "ALI_TRAINING_FAIL", "Link training failed", "RESET_GPU", "INVESTIGATE_LINK_SI", true],
  [137, "NVLINK_PRIV_ERR", "NVLink privilege error", "IGNORE", "XID_137_FLOW", false],
  [138, "ROBUST_CHANNEL_DLA_ERROR", "Unused", "CONTACT_SUPPORT", "NONE", true],
  [142, "ROBUST_CHANNEL_NVENC3_ERROR", "NVENC3 error", "CONTACT_SUPPORT", "NONE", true],
  [149, "NVLINK_NETIR_ERROR", "NVLink5 NETIR error", "WORKFLOW_NVLINK5_ERR", "WORKFLOW_NVLINK5_ERR", true],
  [151, "ROBUST_CHANNEL_KEY_ROTATION_ERROR", "Key rotation error", "RESTART_VM", "CONTACT_SUPPORT", true],
  [154, "GPU_RECOVERY_ACTION_CHANGED", "GPU recovery action changed", "XID_154", "FOLLOW_OTHER_XID", false],
  [155, "NVLINK_SW_DEFINED_ERROR", "NVLink SW defined error", "RESET_GPU", "INVESTIGATE_SW_USER", true],
  [159, "ROBUST_CHANNEL_CHI_NON_DATA_ERROR", "CHI non-data error", "CHECK_UVM", "SYMPATHETIC_REPORT_SOLO", false],
  [160, "CHANNEL_RETIREMENT_EVENT", "Channel retirement event", "IGNORE", "INVESTIGATE_SW", true],
  [162, "PSHC_REENGAGED", "Power smoothing HW re-engaged", "BLANK", "BLANK", true],
  [172, "UNCORRECTABLE_SRAM_ERROR", "Extra detail to Xid 48 (SRAM)", "BLANK", "BLANK"],
];

test.each(COPIED.map((row) => ({ code: row[0], row })))("Xid $code is as the sources have it", ({ code, row }) => {
  const { mnemonic, description, bucket, investigation, fatal } = xidOf(code);
  const known: readonly boolean[] = fatal === undefined ? [] : [fatal];
  expect<readonly unknown[]>([code, mnemonic, description, bucket, investigation, ...known]).toEqual(row);
});
