import { endedBySample, withLevel } from "./clearing.ts";
import { FabricState } from "./driver-words.ts";
import { type EventContext, meaningOf } from "./events.ts";
import {
  type Fault,
  type Faults,
  hasClearing,
  hits,
  type NvmlConditionType,
  raise,
  sparingOnly,
  without,
} from "./fault.ts";
import { type LinkMemory, rememberLinks } from "./rules/link-memory.ts";
import { LOST_KEY, lostFault, MISSING_KEY, missingFault, readinessRule } from "./rules/readiness.ts";
import type { RuleInput } from "./rules/rule.ts";
import { RULES } from "./rules/table.ts";
import type { GpuSample, NvmlEvent } from "./sample.ts";
import type { Thresholds } from "./thresholds.ts";

/** What is known of one GPU's health. Immutable. */
export interface GpuHealth {
  readonly uuid: string;
  /** The last reading of a GPU that could be opened; undefined where an operator has ended a loss since. */
  readonly sample: GpuSample | undefined;
  /** The last reading, with what was read before in place of what could not be read this time. */
  readonly known: GpuSample | undefined;
  readonly faults: Faults;
  readonly links: LinkMemory;
  readonly fabricCompleted: boolean;
  /** Conditions that the hardware has. */
  readonly conditions: ReadonlySet<NvmlConditionType>;
  /** Readings that failed in round after round. */
  readonly unread: ReadonlyMap<NvmlConditionType, Unread>;
  /** The list of MIG instances could not be read: what is known of them is old. */
  readonly instancesUnread: Unread | undefined;
  /** For how long rounds have come without this GPU while the bus was healthy. */
  readonly missingMs: number;
}

export interface Unread {
  readonly rounds: number;
  readonly call: string;
  readonly code: number;
}

export type HealthInput =
  | { readonly kind: "sample"; readonly sample: GpuSample }
  /** A round that worked did not have the GPU. `busHealthy`: no other GPU of that round was lost. */
  | { readonly kind: "missing"; readonly monoNs: bigint; readonly busHealthy: boolean }
  | { readonly kind: "event"; readonly event: NvmlEvent; readonly context: Omit<EventContext, "sample"> }
  /** The driver was exchanged, which resets every GPU. */
  | { readonly kind: "reset" }
  /**
   * An operator's word; for one condition, or for all. `instance`: it is about this MIG instance alone, and so about
   * faults that do not hit the whole GPU.
   */
  | { readonly kind: "clear"; readonly condition: string | undefined; readonly instance?: string | undefined };

/** Without them there is nothing to read of a GPU. */
const OPENING_CALLS = /DeviceGetHandleByIndex|DeviceGetUUID/;

/** Without them there is no list of MIG instances. */
const INSTANCE_CALLS = /Mig|InstanceId/;

/** Time between two rounds counts up to here towards a quiet period: nobody looked in a longer gap. */
const OBSERVED_STEP_MAX_MS = 5_000;

export function newGpuHealth(uuid: string): GpuHealth {
  return {
    uuid,
    sample: undefined,
    known: undefined,
    faults: new Map(),
    links: new Map(),
    fabricCompleted: false,
    conditions: new Set(),
    unread: new Map(),
    instancesUnread: undefined,
    missingMs: 0,
  };
}

/**
 * One step of a GPU's health. Pure: every input carries its own time, on CLOCK_MONOTONIC.
 *
 * A fault stands beside the others under a key of its own and ends by its own clearing alone; so a later, milder one
 * never ends a graver one.
 */
export function stepHealth(health: GpuHealth, input: HealthInput, thresholds: Thresholds): GpuHealth {
  switch (input.kind) {
    case "sample":
      if (input.sample.lost) return onLost(health, input.sample);
      if (!wasOpened(input.sample)) return { ...health, unread: unreadOf(health, input.sample), missingMs: 0 };
      return onSample(health, input.sample, thresholds);
    case "missing":
      return onMissing(health, input.monoNs, input.busHealthy);
    case "event":
      return onEvent(health, input.event, { ...input.context, sample: health.known });
    case "reset":
      return { ...health, faults: without(health.faults, (fault) => hasClearing(fault, "reset")) };
    case "clear":
      return onClear(health, input.condition, input.instance);
  }
}

/** An operator ends the fault, and cannot vouch for readings: where the GPU was lost, they are of before that. */
function onClear(health: GpuHealth, condition: string | undefined, instance: string | undefined): GpuHealth {
  const ends = (fault: Fault) =>
    (condition === undefined || fault.condition === condition) &&
    (instance === undefined || (fault.scope !== undefined && hits(fault, instance)));
  const cleared = { ...health, faults: without(health.faults, ends), missingMs: 0 };
  return isLost(health) && !isLost(cleared) ? { ...cleared, sample: undefined } : cleared;
}

/** Whether the GPU is out of reach, so that its last readings say nothing about now. */
export function isLost({ faults }: GpuHealth): boolean {
  return faults.has(LOST_KEY) || faults.has(MISSING_KEY);
}

/** Whether it was removed in good order. One that the driver called lost stays until it is back or cleared. */
export function isRemoved({ faults, missingMs }: GpuHealth, { goneMs }: Thresholds): boolean {
  return missingMs >= goneMs && [...faults.values()].every(({ key, reason }) => !isLoss(key, reason));
}

function isLoss(key: string, reason: string): boolean {
  return key !== MISSING_KEY && reason.startsWith(lostFault.reason);
}

function onLost(health: GpuHealth, sample: GpuSample): GpuHealth {
  return { ...health, faults: raise(health.faults, lostFault, sample.monoNs), missingMs: 0 };
}

function onMissing(health: GpuHealth, monoNs: bigint, busHealthy: boolean): GpuHealth {
  const lastMissed = health.faults.get(MISSING_KEY)?.monoNs ?? monoNs;
  const missingMs = health.missingMs + (busHealthy ? observedMs(lastMissed, monoNs) : 0);
  return { ...health, faults: raise(health.faults, missingFault, monoNs), missingMs };
}

function onEvent(health: GpuHealth, event: NvmlEvent, context: EventContext): GpuHealth {
  const { faults, ends } = meaningOf(event, context);
  const isEnded = (key: string) => ends.some((end) => key === end || key.startsWith(`${end}/`));
  const left = without(health.faults, ({ key, monoNs }) => isEnded(key) && monoNs <= event.monoNs);
  return { ...health, faults: faults.reduce((open, fault) => raise(open, fault, event.monoNs), left) };
}

function onSample(health: GpuHealth, sample: GpuSample, thresholds: Thresholds): GpuHealth {
  const before = health.known;
  const links = rememberLinks(health.links, sample.nvLinks, sample.monoNs, thresholds);
  const fabricCompleted = health.fabricCompleted || sample.fabric?.state === FabricState.Completed;
  const known = knownAfter(before, sample);
  const input: RuleInput = { sample, before, links, fabricCompleted, thresholds };
  const isBack = isLost(health) && !sample.failures.some(({ call }) => readinessRule.calls.test(call));
  const wasReset = isBack || countersFell(before, sample);
  const quietMs = observedMs(before?.monoNs ?? sample.monoNs, sample.monoNs);
  let faults = endedBySample(health.faults, sample, { wasReset, isBack, quietMs });
  for (const rule of RULES) {
    const levels = new Map(rule.levels(input).map((level) => [level.key, level]));
    for (const level of levels.values()) faults = withLevel(faults, rule.condition, level, sample.monoNs, quietMs);
    for (const draft of rule.edges(input)) faults = raise(faults, draft, sample.monoNs);
  }
  if (sample.instances !== undefined) {
    faults = sparingOnly(faults, new Set(sample.instances.map(({ uuid }) => uuid)));
  }
  const unread = unreadOf(health, sample);
  const has = RULES.filter(
    (rule) => rule.applies(input) || (health.conditions.has(rule.condition) && unread.has(rule.condition)),
  );
  const conditions = new Set(has.map(({ condition }) => condition));
  const instancesUnread = instancesUnreadOf(health, sample);
  return {
    ...health,
    sample,
    known,
    links,
    fabricCompleted,
    missingMs: 0,
    faults,
    unread,
    instancesUnread,
    conditions,
  };
}

/** A GPU that enumeration could not open has been asked for nothing else. */
function wasOpened({ failures }: GpuSample): boolean {
  return !failures.some(({ call }) => OPENING_CALLS.test(call));
}

/** What failed this time is what it was: a counter that rose meanwhile is seen to have risen. */
function knownAfter(before: GpuSample | undefined, sample: GpuSample): GpuSample {
  if (before === undefined || sample.failures.length === 0) return sample;
  return {
    ...sample,
    eccVolatileCorrected: sample.eccVolatileCorrected ?? before.eccVolatileCorrected,
    eccVolatileUncorrected: sample.eccVolatileUncorrected ?? before.eccVolatileUncorrected,
    sramEcc: sample.sramEcc ?? before.sramEcc,
    mig: sample.mig ?? before.mig,
    instances: sample.instances ?? before.instances,
    recoveryAction: sample.recoveryAction ?? before.recoveryAction,
  };
}

function observedMs(fromNs: bigint, toNs: bigint): number {
  return Math.min(OBSERVED_STEP_MAX_MS, Math.max(0, Number(toNs - fromNs) / 1e6));
}

/** Volatile counters only ever rise but for a reset. */
function countersFell(before: GpuSample | undefined, now: GpuSample): boolean {
  const fell = (a: bigint | undefined, b: bigint | undefined) => a !== undefined && b !== undefined && b < a;
  return (
    fell(before?.eccVolatileUncorrected, now.eccVolatileUncorrected) ||
    fell(before?.eccVolatileCorrected, now.eccVolatileCorrected)
  );
}

function instancesUnreadOf({ instancesUnread }: GpuHealth, { failures }: GpuSample): Unread | undefined {
  const failure = failures.find(({ call }) => INSTANCE_CALLS.test(call));
  return failure && { ...failure, rounds: (instancesUnread?.rounds ?? 0) + 1 };
}

function unreadOf(health: GpuHealth, sample: GpuSample): ReadonlyMap<NvmlConditionType, Unread> {
  if (sample.failures.length === 0) return new Map();
  const unread = new Map<NvmlConditionType, Unread>();
  for (const { condition, calls } of RULES) {
    const failure = sample.failures.find(({ call }) => calls.test(call) || OPENING_CALLS.test(call));
    if (failure === undefined) continue;
    unread.set(condition, { ...failure, rounds: (health.unread.get(condition)?.rounds ?? 0) + 1 });
  }
  return unread;
}
