import { BY_RESET, byReading, type FaultDraft, Gravity } from "../fault.ts";
import type { GpuSample } from "../sample.ts";
import { type Level, level, type Rule, type RuleInput } from "./rule.ts";

const MEMORY_HEALTHY = "MemoryHealthy";
const RESET = "COMPONENT_RESET";
const SUPPORT = "CONTACT_SUPPORT";

/** ECC, row remapping, retired pages. */
export const memoryRule: Rule = {
  condition: MEMORY_HEALTHY,
  calls: /Ecc|RemappedRows|RetiredPages/,
  good: { reason: "NoMemoryFault", message: () => "no uncorrectable error, no repair that waits or failed" },
  applies: ({ sample: { eccVolatileUncorrected, remappedRows, retiredPages, sramEcc } }) =>
    [eccVolatileUncorrected, remappedRows, retiredPages, sramEcc].some((value) => value !== undefined),
  levels: (input) => [...rowLevels(input.sample), ...pageLevels(input), ...sramLevels(input.sample)],
  edges: ({ sample, before }) => [
    ...eccRise("ecc", "UncorrectableECC", "volatile", before?.eccVolatileUncorrected, sample.eccVolatileUncorrected),
    ...eccRise("sram", "UncorrectableSRAM", "SRAM", before?.sramEcc?.uncorrected, sample.sramEcc?.uncorrected),
  ],
};

/** The driver tells of uncorrectable memory errors by events, too; both are one fault. */
export function uncorrectableFault(detail: string, short: string): FaultDraft {
  return {
    key: "ecc",
    condition: MEMORY_HEALTHY,
    reason: "UncorrectableECC",
    detail,
    short,
    gravity: Gravity.reset,
    action: RESET,
    clearings: BY_RESET,
  };
}

/** By an event. Apart from what the rows read, so that a reading that lags behind the event does not end it. */
export const retirementFailureFault: FaultDraft = {
  key: "retirement-failed",
  condition: MEMORY_HEALTHY,
  reason: "MemoryRetirementFailed",
  detail: "the driver could not retire bad memory",
  short: "memory retirement failed",
  gravity: Gravity.reboot,
  action: SUPPORT,
  clearings: BY_RESET,
};

function eccRise(
  key: string,
  reason: string,
  name: string,
  from: bigint | undefined,
  to: bigint | undefined,
): readonly FaultDraft[] {
  if (from === undefined || to === undefined || to <= from) return [];
  const detail = `uncorrectable ${name} ECC errors rose from ${from} to ${to}`;
  return [{ ...uncorrectableFault(detail, `uncorrectable ${name} ECC`), key, reason }];
}

function rowLevels({ remappedRows }: GpuSample): readonly Level[] {
  if (remappedRows === undefined) return [];
  return [
    level("remap-failed", remappedRows.failed, () => ({
      reason: "RowRemapFailed",
      detail: "remapping a bad row of memory has failed",
      short: "row remapping failed",
      gravity: Gravity.reboot,
      action: SUPPORT,
      clearings: byReading("the driver when it reports no failed remapping", 0),
    })),
    level("remap-pending", remappedRows.pending, () => ({
      reason: "RowRemapPending",
      detail: "a bad row of memory is remapped by the next reset of the GPU",
      short: "row remapping pending",
      gravity: Gravity.reset,
      action: RESET,
      clearings: byReading("the reset that remaps it (the driver reports none pending)", 0),
    })),
  ];
}

function pageLevels({ sample: { retiredPages }, thresholds }: RuleInput): readonly Level[] {
  if (retiredPages === undefined) return [];
  const count = retiredPages.singleBit + retiredPages.doubleBit;
  const max = thresholds.retiredPagesMax;
  return [
    level("page-pending", retiredPages.pending, () => ({
      reason: "PageRetirementPending",
      detail: "a bad page of memory is retired by the next reset of the GPU",
      short: "page retirement pending",
      gravity: Gravity.reset,
      action: RESET,
      clearings: byReading("the reset that retires it (the driver reports none pending)", 0),
    })),
    level("pages", count >= max, () => ({
      reason: "RetiredPagesOverLimit",
      detail: `${count} pages of memory are retired, the limit is ${max}`,
      short: "too many retired pages",
      gravity: Gravity.reboot,
      action: SUPPORT,
      clearings: byReading(`fewer than ${max} retired pages, which takes another GPU`, 0),
    })),
  ];
}

function sramLevels({ sramEcc }: GpuSample): readonly Level[] {
  if (sramEcc === undefined) return [];
  return [
    level("sram-threshold", sramEcc.thresholdExceeded, () => ({
      reason: "SRAMThresholdExceeded",
      detail: "uncorrectable SRAM errors are over the vendor's threshold",
      short: "SRAM errors over the threshold",
      gravity: Gravity.reboot,
      action: SUPPORT,
      clearings: byReading("the driver when it reports the threshold as kept", 0),
    })),
  ];
}
