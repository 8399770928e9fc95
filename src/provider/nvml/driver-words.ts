/** Event bits of nvml.h. */
export const EventType = {
  DoubleBitEcc: 0x2n,
  Xid: 0x8n,
  DramRetirementFailure: 0x800n,
  FatalPoison: 0x2000n,
  GpuUnavailable: 0x4000n,
} as const;

/** nvmlClocksEventReason bits that tell of trouble; the others are everyday regulation. */
export const ClockReason = {
  HwSlowdown: 0x8n,
  SwThermalSlowdown: 0x20n,
  HwThermalSlowdown: 0x40n,
  HwPowerBrake: 0x80n,
} as const;

/** A value of field 230 and what it means for recommended_action. */
export interface RecoveryAction {
  readonly word: string;
  readonly action: string;
}

const RESET = "COMPONENT_RESET";
const REBOOT = "RESTART_BM";

const RECOVERY_ACTIONS: readonly RecoveryAction[] = [
  { word: "NONE", action: "" },
  { word: "GPU_RESET", action: RESET },
  { word: "NODE_REBOOT", action: REBOOT },
  { word: "DRAIN_P2P", action: RESET },
  { word: "DRAIN_AND_RESET", action: RESET },
  { word: "RECOVER_IMEX_DOMAIN", action: RESET },
  { word: "BUS_RESET", action: RESET },
  { word: "SYSTEM_REBOOT", action: REBOOT },
];

/** A value that a newer driver may have added still says that something is to be done, only not what. */
export function recoveryActionOf(value: number): RecoveryAction {
  return RECOVERY_ACTIONS[value] ?? { word: `recovery action ${value}`, action: "" };
}

/** nvmlReturn_t of an initialisation that failed, and what to look at; what the library says is often only its name. */
const INIT_FAILURES: ReadonlyMap<number, string> = new Map([
  [4, "this process may not open the driver's device files (/dev/nvidiactl, /dev/nvidia0 and on)"],
  [9, "the NVIDIA kernel module is not loaded"],
  [12, "another library of the driver is missing beside libnvidia-ml.so.1, or cannot be loaded"],
  [18, "the library and the loaded kernel module are of different versions: reload the module or restart the node"],
]);

/** What an operator can act on. */
export function initFailureOf(code: number): string {
  return INIT_FAILURES.get(code) ?? "the kernel log may say why (lines with NVRM)";
}

/** nvmlGpuFabricState_t. */
export const FabricState = { NotSupported: 0, NotStarted: 1, InProgress: 2, Completed: 3 } as const;

const TWO_BITS = 0x3;
/** In the two-bit fields of the health mask: 0 not supported, 1 true, 2 false. */
const MASK_TRUE = 1;

const MASK_FAULTS: readonly { readonly shift: number; readonly text: string }[] = [
  { shift: 0, text: "bandwidth degraded" },
  { shift: 2, text: "route recovery in progress" },
  { shift: 4, text: "route unhealthy" },
  { shift: 6, text: "access timeout recovery in progress" },
];

const MISCONFIGURATION_SHIFT = 8;
const MISCONFIGURATION_BITS = 0xf;
/** From 2 on; 0 is "not supported" and 1 "none". */
const MISCONFIGURATIONS: readonly string[] = [
  "system GUID",
  "chassis serial number",
  "no partition",
  "insufficient NVLinks",
  "incompatible GPU firmware",
  "invalid location",
  "GPU state invalid",
];

/** What the fabric health mask finds fault with; empty for a healthy one. */
export function fabricFaults(mask: number): readonly string[] {
  const faults = MASK_FAULTS.filter(({ shift }) => ((mask >>> shift) & TWO_BITS) === MASK_TRUE).map(({ text }) => text);
  const misconfiguration = (mask >>> MISCONFIGURATION_SHIFT) & MISCONFIGURATION_BITS;
  if (misconfiguration < 2) return faults;
  const text = MISCONFIGURATIONS[misconfiguration - 2] ?? `code ${misconfiguration}`;
  return [...faults, `incorrect configuration: ${text}`];
}
