import { type Fault, type Faults, hasClearing, type NvmlConditionType, raise, without } from "./fault.ts";
import type { Level } from "./rules/rule.ts";
import type { GpuSample } from "./sample.ts";

/** What a reading says about faults besides its own values. */
export interface SampleNews {
  readonly wasReset: boolean;
  /** The GPU was lost and answers. */
  readonly isBack: boolean;
  /** Time since the reading before, as far as it counts towards a quiet period. */
  readonly quietMs: number;
}

/** The verdict, a reset, a return: everything that ends a fault but its own rule. */
export function endedBySample(faults: Faults, sample: GpuSample, { wasReset, isBack, quietMs }: SampleNews): Faults {
  const next = new Map<string, Fault>();
  for (const [key, fault] of faults) {
    const reset = wasReset && sample.monoNs > fault.monoNs && hasClearing(fault, "reset");
    if (reset || (isBack && hasClearing(fault, "return"))) continue;
    const heard = withVerdict(fault, sample, quietMs);
    if (heard !== undefined) next.set(key, heard);
  }
  return next;
}

/** Undefined where the verdict ends the fault. A reading older than the fault says nothing about it. */
function withVerdict(fault: Fault, { recoveryAction, monoNs }: GpuSample, elapsedMs: number): Fault | undefined {
  if (recoveryAction === undefined || monoNs <= fault.monoNs) return fault;
  const acquittal = fault.clearings.find((clearing) => clearing.kind === "acquittal");
  if (recoveryAction !== 0) {
    const verdictMoved = fault.verdictMoved || hasClearing(fault, "verdict");
    return { ...fault, verdictMoved, quietMs: acquittal === undefined ? fault.quietMs : undefined };
  }
  if (fault.verdictMoved) return undefined;
  if (acquittal === undefined) return fault;
  const quietMs = quietAfter(fault, elapsedMs);
  return quietMs >= acquittal.quietMs ? undefined : { ...fault, quietMs };
}

/** An open fault keeps the words it was opened with: values that change would be a change to watchers each round. */
export function withLevel(
  faults: Faults,
  condition: NvmlConditionType,
  level: Level,
  monoNs: bigint,
  elapsedMs: number,
): Faults {
  const open = faults.get(level.key);
  if (level.reading === "bad") {
    if (open === undefined || open.reason !== level.fault.reason || open.short !== level.fault.short) {
      return raise(faults, { ...level.fault, key: level.key, condition }, monoNs);
    }
    return new Map(faults).set(level.key, { ...open, quietMs: undefined });
  }
  if (open === undefined) return faults;
  if (level.reading === "holding") return new Map(faults).set(level.key, { ...open, quietMs: undefined });
  const quietMs = quietAfter(open, elapsedMs);
  if (quietMs >= quietPeriodOf(open)) return without(faults, ({ key }) => key === level.key);
  return new Map(faults).set(level.key, { ...open, quietMs });
}

/** The time before the first good reading was not quiet. */
function quietAfter({ quietMs }: Fault, elapsedMs: number): number {
  return quietMs === undefined ? 0 : quietMs + elapsedMs;
}

function quietPeriodOf({ clearings }: Fault): number {
  for (const clearing of clearings) if (clearing.kind === "reading") return clearing.quietMs;
  return 0;
}
