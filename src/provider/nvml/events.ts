import { EventType, recoveryActionOf } from "./driver-words.ts";
import { BY_RESET, type Clearing, type FaultDraft, type FaultScope, Gravity } from "./fault.ts";
import { retirementFailureFault, uncorrectableFault } from "./rules/memory.ts";
import { NVML_READY } from "./rules/readiness.ts";
import type { GpuSample, NvmlEvent } from "./sample.ts";
import { allXids, OFF_THE_BUS, XID_CODES, xidOf } from "./xids/catalogue.ts";
import type { RecommendedAction, XidClearing, XidEntry } from "./xids/entry.ts";

/** What an event means for one GPU. */
export interface EventMeaning {
  readonly faults: readonly FaultDraft[];
  /** Keys of faults that it ends, with those of their instances: `xid:163` is `xid:163/7` too. */
  readonly ends: readonly string[];
}

export interface EventContext {
  /** The GPU's last reading. */
  readonly sample: GpuSample | undefined;
  readonly ignoredXids: ReadonlySet<number>;
  /** On how many GPUs an event that named none is put; undefined where it named this one. */
  readonly sharedBy: number | undefined;
  readonly unattributedQuietMs: number;
}

/** Codes that the catalogue does not have share one fault: how many there are is in nobody's hand. */

const GRAVITY_OF_ACTION: Readonly<Record<RecommendedAction, number>> = {
  NONE: Gravity.minor,
  RESTART_APP: Gravity.minor,
  COMPONENT_RESET: Gravity.reset,
  RESTART_VM: Gravity.reboot,
  RESTART_BM: Gravity.reboot,
  RUN_DCGMEUD: Gravity.reboot,
  RUN_FIELDDIAG: Gravity.reboot,
  CONTACT_SUPPORT: Gravity.reboot,
  REPLACE_VM: Gravity.reboot,
};

/** Events that stand for a fault whatever their data. All other kinds are told by the next reading. */
const EVENT_FAULTS: readonly { readonly bit: bigint; readonly fault: FaultDraft }[] = [
  {
    bit: EventType.DoubleBitEcc,
    fault: uncorrectableFault("the driver reported an uncorrectable ECC error", "uncorrectable ECC"),
  },
  { bit: EventType.FatalPoison, fault: uncorrectableFault("the driver reported fatal poison", "fatal poison") },
  { bit: EventType.DramRetirementFailure, fault: retirementFailureFault },
  {
    bit: EventType.GpuUnavailable,
    fault: {
      key: "unavailable",
      condition: NVML_READY,
      reason: "GPUUnavailable",
      detail: "the driver reported the GPU as unavailable",
      short: "GPU unavailable",
      gravity: Gravity.reset,
      action: "COMPONENT_RESET",
      clearings: BY_RESET,
    },
  },
];

/** The number of the Xid that the event is, or undefined for another event. */
export function xidCodeOf(event: NvmlEvent): number | undefined {
  return (event.type & EventType.Xid) === 0n ? undefined : Number(event.data);
}

/** Pure. */
export function meaningOf(event: NvmlEvent, context: EventContext): EventMeaning {
  const faults = EVENT_FAULTS.filter(({ bit }) => (event.type & bit) !== 0n).map(({ fault }) => fault);
  const code = xidCodeOf(event);
  if (code === undefined || context.ignoredXids.has(code)) return { faults: faults.map(shared(context)), ends: [] };
  const entry = xidOf(code);
  const scope = code === OFF_THE_BUS ? undefined : scopeOf(event, context);
  if (isFault(entry, context.sample)) faults.push(xidFault(entry, event, context.sample, scope));
  // Nobody knows which GPU is well again where the event did not say.
  const ends = context.sharedBy === undefined ? entry.cancels.map((cancelled) => keyOf(cancelled, scope)) : [];
  return { faults: faults.map(shared(context)), ends };
}

function isFault({ effect }: XidEntry, sample: GpuSample | undefined): boolean {
  switch (effect) {
    case "none":
      return false;
    case "unhealthy":
      return true;
    case "verdict":
      return sample?.recoveryAction !== 0;
  }
}

/** An instance that no round has shown is not known to be one, and the fault is the whole GPU's. */
function scopeOf({ gpuInstance }: NvmlEvent, { sample, sharedBy }: EventContext): FaultScope | undefined {
  const instances = sample?.mig?.current === 1 && sharedBy === undefined ? (sample.instances ?? []) : [];
  if (gpuInstance === undefined || !instances.some((one) => one.gpuInstance === gpuInstance)) return undefined;
  const others = instances.filter((one) => one.gpuInstance !== undefined && one.gpuInstance !== gpuInstance);
  return { gpuInstance, spares: new Set(others.map(({ uuid }) => uuid)) };
}

function xidFault(
  entry: XidEntry,
  event: NvmlEvent,
  sample: GpuSample | undefined,
  scope: FaultScope | undefined,
): FaultDraft {
  const { code, mnemonic, description, action, reason } = entry;
  const verdict = sample?.recoveryAction;
  const asks = verdict === undefined || verdict === 0 ? "" : `; the driver asks for ${recoveryActionOf(verdict).word}`;
  return {
    key: keyOf(code, scope),
    condition: NVML_READY,
    reason,
    detail: `Xid ${code} ${mnemonic} (${description})${placeOf(event, sample)}, advice: ${action}${asks}`,
    short: scope === undefined ? `Xid ${code}` : `Xid ${code} on GPU instance ${scope.gpuInstance}`,
    gravity: code === OFF_THE_BUS ? Gravity.lost : GRAVITY_OF_ACTION[action],
    action,
    clearings: entry.clearings.map((kind) => clearingOf(kind, code)),
    scope,
  };
}

/** The instance only where MIG is on: some libraries send 0 where it is off. */
function placeOf({ gpuInstance, computeInstance }: NvmlEvent, sample: GpuSample | undefined): string {
  const on = sample === undefined ? "" : ` on ${sample.product} at ${sample.busId}`;
  if (sample?.mig?.current !== 1 || gpuInstance === undefined) return on;
  const compute = computeInstance === undefined ? "" : `, compute instance ${computeInstance}`;
  const named = (sample.instances ?? []).filter(
    (one) =>
      one.gpuInstance === gpuInstance && (computeInstance === undefined || one.computeInstance === computeInstance),
  );
  const uuids = named.length === 0 ? "" : ` (${named.map(({ uuid }) => uuid).join(", ")})`;
  return `${on}, MIG GPU instance ${gpuInstance}${compute}${uuids}`;
}

function clearingOf(kind: XidClearing, code: number): Clearing {
  if (kind !== "xid") return { kind };
  return {
    kind,
    codes: allXids()
      .filter(({ cancels }) => cancels.includes(code))
      .map((entry) => entry.code),
  };
}

function keyOf(code: number, scope: FaultScope | undefined): string {
  const key = XID_CODES.has(code) ? `xid:${code}` : "xid:unknown";
  return scope === undefined ? key : `${key}/${scope.gpuInstance}`;
}

/** The guess is said in the reason, and why in the message. */
function shared({ sharedBy, unattributedQuietMs }: EventContext): (fault: FaultDraft) => FaultDraft {
  if (sharedBy === undefined) return (fault) => fault;
  const whose =
    sharedBy === 1
      ? "the event named no GPU, this one is the only one it can mean"
      : `the event named no GPU, so it is put on all ${sharedBy} that it can mean`;
  const acquittal: readonly Clearing[] = sharedBy === 1 ? [] : [{ kind: "acquittal", quietMs: unattributedQuietMs }];
  return (fault) => ({
    ...fault,
    reason: `${fault.reason}Unattributed`,
    detail: `${fault.detail}; ${whose}`,
    clearings: [...acquittal, ...fault.clearings],
  });
}
