/**
 * Every fault that a GPU can have of its own, as commands of the scripted library: how it begins, what consumers see of
 * it, and the way back. `$` in a command stands for the GPU's place.
 */
export interface FaultRow {
  readonly name: string;
  /** Before the server starts. */
  readonly setUp?: readonly string[];
  readonly begin: readonly string[];
  readonly condition: string;
  /** Default: False. */
  readonly status?: "Unknown";
  readonly reason: string;
  /** Part of the condition's message. */
  readonly says: string;
  /** recommended_action; default: none. */
  readonly action?: string;
  readonly ready: "True" | "False" | "Unknown";
  /** Other conditions meanwhile, as TYPE=STATUS/REASON. */
  readonly beside?: readonly string[];
  /** Each but the last has to show before the next is given. */
  readonly end: readonly string[];
  /** The reason of the condition when all is well again. */
  readonly good: string;
}

const RESET = "COMPONENT_RESET";
const REBOOT = "RESTART_BM";
const SUPPORT = "CONTACT_SUPPORT";

/** The driver's verdict reads something, and then NONE: what ends most faults. */
const BY_VERDICT = ["gpu $ recovery_action=1", "gpu $ recovery_action=0"];
const BY_RESET = ["gpu $ reset"];

type Given = Omit<FaultRow, "name" | "begin" | "condition" | "ready" | "good" | "end"> & Partial<FaultRow>;

/** Rows of one condition: name, command, and what differs. */
function rowsOf(condition: string, good: string, ready: FaultRow["ready"]) {
  return (name: string, begin: string | readonly string[], row: Given): FaultRow => {
    const commands = typeof begin === "string" ? [begin] : begin;
    return { name, begin: commands, condition, good, ready, end: BY_VERDICT, ...row };
  };
}

const nvml = rowsOf("NVMLReady", "Initialized", "False");
const memory = rowsOf("MemoryHealthy", "NoMemoryFault", "False");
const thermal = rowsOf("ThermalHealthy", "TemperatureOK", "True");
const power = rowsOf("PowerHealthy", "PowerOK", "True");
const link = rowsOf("NVLinkHealthy", "LinksUp", "False");
const fabric = rowsOf("FabricHealthy", "FabricRegistered", "False");

const OUT_OF_REACH = [
  "MemoryHealthy=Unknown/GPULost",
  "ThermalHealthy=Unknown/GPULost",
  "PowerHealthy=Unknown/GPULost",
];
const LOST = { reason: "GPULost", action: REBOOT, beside: OUT_OF_REACH };

const LOSSES: readonly FaultRow[] = [
  nvml("GPU lost", "gpu $ lost=1", { ...LOST, says: "NVML_ERROR_GPU_IS_LOST", end: BY_RESET }),
  nvml("GPU lost, no handle to be had", "gpu $ lost=2", { ...LOST, says: "GPU is lost", end: ["gpu $ lost=0"] }),
  nvml("GPU no longer enumerated", "gpu $ present=0", {
    ...LOST,
    says: "no longer enumerates",
    end: ["gpu $ present=1"],
  }),
  nvml("off the bus: Xid 79, then lost", "xid $ 79", {
    reason: "GPULost",
    says: "Xid 79",
    action: REBOOT,
    end: ["gpu $ lost=1", "gpu $ lost=0"],
  }),
  nvml("off the bus: Xid 79, ended by the verdict", "xid $ 79", {
    reason: "GPULost",
    says: "off the bus",
    action: REBOOT,
  }),
];

const xid = (code: number, action: string, row: Partial<FaultRow> = {}): FaultRow =>
  nvml(`Xid ${code}`, `xid $ ${code}`, { reason: "XidError", says: `Xid ${code} `, action, ...row });

const XIDS: readonly FaultRow[] = [
  xid(48, RESET),
  xid(54, SUPPORT),
  xid(74, SUPPORT),
  xid(78, SUPPORT),
  xid(95, RESET, { end: ["gpu $ lost=1", "gpu $ lost=0"] }),
  xid(109, RESET),
  xid(119, RESET),
  xid(151, "RESTART_VM"),
  nvml("Xid 95 of a MIG instance", "xid $ 95 gpu_instance=3 compute_instance=1", {
    setUp: ["gpu $ mig_current=1 mig_pending=1"],
    reason: "XidError",
    says: "MIG GPU instance 3, compute instance 1",
    action: RESET,
  }),
  nvml("Xid 163 without a verdict, cancelled by 162", "xid $ 163", {
    setUp: ["gpu $ without=recovery"],
    reason: "XidError",
    says: "cleared by: Xid 162",
    action: "NONE",
    end: ["xid $ 162"],
  }),
  nvml("Xid that the catalogue does not have, without a verdict", "xid $ 4000", {
    setUp: ["gpu $ without=recovery"],
    reason: "XidError",
    says: "Xid 4000 UNKNOWN",
    action: "NONE",
    end: ["gpu $ lost=1", "gpu $ lost=0"],
  }),
  nvml("Xid 144, left to the verdict, without one", "xid $ 144", {
    setUp: ["gpu $ without=recovery"],
    reason: "XidError",
    says: "Xid 144 ",
    action: RESET,
    end: ["gpu $ lost=1", "gpu $ lost=0"],
  }),
];

const VERDICTS = [
  "GPU_RESET",
  "NODE_REBOOT",
  "DRAIN_P2P",
  "DRAIN_AND_RESET",
  "RECOVER_IMEX_DOMAIN",
  "BUS_RESET",
  "SYSTEM_REBOOT",
];

const VERDICT_ROWS: readonly FaultRow[] = [
  ...VERDICTS.map((word, i) =>
    nvml(`verdict ${i + 1}, ${word}`, `gpu $ recovery_action=${i + 1}`, {
      reason: "RecoveryRequired",
      says: `the driver asks for ${word}`,
      action: word.endsWith("REBOOT") ? REBOOT : RESET,
      end: ["gpu $ recovery_action=0"],
    }),
  ),
  nvml("verdict of a newer driver", "gpu $ recovery_action=9", {
    reason: "RecoveryRequired",
    says: "the driver asks for recovery action 9",
    end: ["gpu $ recovery_action=0"],
  }),
  nvml("verdict, announced by event 0x8000", ["gpu $ recovery_action=2", "event $ 0x8000 2"], {
    reason: "RecoveryRequired",
    says: "the driver asks for NODE_REBOOT",
    action: REBOOT,
    end: ["gpu $ recovery_action=0"],
  }),
  nvml("event 0x4000, unavailable", "event $ 0x4000 0", {
    reason: "GPUUnavailable",
    says: "unavailable",
    action: RESET,
  }),
  nvml("reading that fails", "fault nvmlDeviceGetTemperature code=999 gpu=$", {
    status: "Unknown",
    reason: "ReadingFailed",
    says: "nvmlDeviceGetTemperature fails with NVML return 999",
    ready: "Unknown",
    beside: ["ThermalHealthy=Unknown/ReadingFailed"],
    end: ["clear nvmlDeviceGetTemperature"],
  }),
];

const PAGES = { setUp: ["gpu $ with=pages"] };

const MEMORY: readonly FaultRow[] = [
  memory("uncorrectable ECC rises", "gpu $ ecc_volatile_uncorrected=+2", {
    reason: "UncorrectableECC",
    says: "rose from 0 to 2",
    action: RESET,
    end: BY_RESET,
  }),
  memory("event 0x2, double bit ECC", "event $ 0x2 0", {
    reason: "UncorrectableECC",
    says: "ECC error",
    action: RESET,
  }),
  memory("event 0x2000, fatal poison", "event $ 0x2000 0", {
    reason: "UncorrectableECC",
    says: "poison",
    action: RESET,
  }),
  memory("uncorrectable SRAM ECC rises", "gpu $ sram_volatile_secded=+1", {
    reason: "UncorrectableSRAM",
    says: "SRAM ECC errors rose from 0 to 1",
    action: RESET,
  }),
  memory("SRAM threshold", "gpu $ sram_threshold=1", {
    reason: "SRAMThresholdExceeded",
    says: "threshold",
    action: SUPPORT,
    end: ["gpu $ sram_threshold=0"],
  }),
  memory("row remapping pending", "gpu $ remap_pending=1", {
    reason: "RowRemapPending",
    says: "remapped by the next reset",
    action: RESET,
    end: BY_RESET,
  }),
  memory("row remapping pending, announced by event 0x400", ["gpu $ remap_pending=1", "event $ 0x400 0"], {
    reason: "RowRemapPending",
    says: "remapped by the next reset",
    action: RESET,
    end: BY_RESET,
  }),
  memory("row remapping failed", "gpu $ remap_failed=1", {
    reason: "RowRemapFailed",
    says: "has failed",
    action: SUPPORT,
    end: ["gpu $ remap_failed=0"],
  }),
  memory("event 0x800, retirement failed", "event $ 0x800 0", {
    reason: "MemoryRetirementFailed",
    says: "could not retire",
    action: SUPPORT,
  }),
  memory("page retirement pending", "gpu $ pages_pending=1", {
    ...PAGES,
    reason: "PageRetirementPending",
    says: "retired by the next reset",
    action: RESET,
    end: BY_RESET,
  }),
  memory("retired pages over the limit", "gpu $ pages_single=40 pages_double=20", {
    ...PAGES,
    reason: "RetiredPagesOverLimit",
    says: "60 pages",
    action: SUPPORT,
    end: ["gpu $ pages_single=0 pages_double=0"],
  }),
];

const IDLE = ["gpu $ clock_reasons=0x1"];

const HEAT_AND_POWER: readonly FaultRow[] = [
  thermal("over-temperature", "gpu $ temperature=90", {
    reason: "OverTemperature",
    says: "reached 90 degrees",
    end: ["gpu $ temperature=84"],
  }),
  thermal("thermal slowdown by the hardware", "gpu $ clock_reasons=0x48", {
    reason: "ThermalSlowdown",
    says: "the hardware slows",
    end: IDLE,
  }),
  thermal("thermal slowdown by the driver", "gpu $ clock_reasons=0x20", {
    reason: "ThermalSlowdown",
    says: "the driver slows",
    end: IDLE,
  }),
  power("power brake", "gpu $ clock_reasons=0x88", { reason: "PowerBrake", says: "power supply", end: IDLE }),
  power("hardware slowdown", "gpu $ clock_reasons=0x8", {
    reason: "HardwareSlowdown",
    says: "hardware slows",
    end: IDLE,
  }),
];

const BLACKWELL = { setUp: ["gpu $ profile=b200"] };
const FABRIC_WELL = ["gpu $ fabric_health=0x1aa"];

/** Health masks, each with the one field that is wrong. */
const FABRIC_HEALTH = [
  ["bandwidth degraded", 0x1a9],
  ["route recovery in progress", 0x1a6],
  ["route unhealthy", 0x19a],
  ["access timeout recovery in progress", 0x16a],
  ["incorrect configuration: system GUID", 0x2aa],
] as const;

const LINKS: readonly FaultRow[] = [
  link("NVLink down", "link $ 3 down", { reason: "NVLinkDown", says: "NVLink 3 is down", end: ["link $ 3 up"] }),
  link("NVLink error rate", "link $ 2 replay=+100", { reason: "NVLinkErrors", says: "NVLink 2 had", end: [] }),
  link("NVLink error rate of Blackwell", "link $ 2 receive_errors=+100", {
    ...BLACKWELL,
    reason: "NVLinkErrors",
    says: "NVLink 2 had",
    end: [],
  }),
  fabric("fabric state lost", "gpu $ fabric_state=2", {
    reason: "FabricStateLost",
    says: "no longer",
    end: ["gpu $ fabric_state=3"],
  }),
  fabric("fabric registration failed", "gpu $ fabric_status=999", {
    reason: "FabricRegistrationFailed",
    says: "NVML return 999",
    end: ["gpu $ fabric_status=0"],
  }),
  fabric("fabric never registered", [], {
    setUp: ["gpu $ fabric_state=2"],
    status: "Unknown",
    reason: "FabricRegistering",
    says: "not been registered",
    ready: "Unknown",
    end: ["gpu $ fabric_state=3"],
  }),
  ...FABRIC_HEALTH.map(([says, mask]) =>
    fabric(`fabric health: ${says}`, `gpu $ fabric_health=${mask}`, {
      ...BLACKWELL,
      reason: "FabricDegraded",
      says,
      end: FABRIC_WELL,
    }),
  ),
];

export const FAULT_ROWS: readonly FaultRow[] = [
  ...LOSSES,
  ...XIDS,
  ...VERDICT_ROWS,
  ...MEMORY,
  ...HEAT_AND_POWER,
  ...LINKS,
];

/** The quiet periods of the rules, 10 to 120 s by default, made short. */
export const SHORT_QUIET: readonly string[] = [
  "--nvml-thermal-quiet=1s",
  "--nvml-power-quiet=1s",
  "--nvml-link-quiet=1s",
  "--nvml-link-error-window=1s",
  "--nvml-link-error-quiet=1s",
  "--nvml-fabric-quiet=1s",
  "--nvml-unattributed-quiet=1s",
];
