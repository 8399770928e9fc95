import { CLEARING_TEXTS } from "./xids/bucket-rules.ts";

export type NvmlConditionType =
  | "NVMLReady"
  | "MemoryHealthy"
  | "ThermalHealthy"
  | "PowerHealthy"
  | "NVLinkHealthy"
  | "FabricHealthy";

/** What ends a fault. Nothing else does. */
export type Clearing =
  /** Field 230 reads NONE after it has read something else since the fault. */
  | { readonly kind: "verdict" }
  /** A reset was seen: volatile counters fell, the GPU is back after a loss, or the driver was exchanged. */
  | { readonly kind: "reset" }
  /** The server keeps no fault beyond a boot, so there is nothing to do for it. */
  | { readonly kind: "boot" }
  | { readonly kind: "operator" }
  /** Another Xid cancels it. */
  | { readonly kind: "xid"; readonly codes: readonly number[] }
  /** The GPU is enumerated and answers. */
  | { readonly kind: "return" }
  /** The event named no GPU, and the driver asks for nothing on this one for so long: it meant another. */
  | { readonly kind: "acquittal"; readonly quietMs: number }
  /** Its own rule has read good for so long; `text` says what good is. */
  | { readonly kind: "reading"; readonly text: string; readonly quietMs: number };

/** Which of several faults of one condition is shown. */
export const Gravity = { minor: 1, verdict: 2, reset: 3, reboot: 4, lost: 5 } as const;

/** What a fault of one GPU instance hits, on a GPU in MIG mode. */
export interface FaultScope {
  readonly gpuInstance: number;
  /**
   * UUIDs of the MIG instances beside it, which go on working. Those that were there: one that is made later may lie on
   * the part of the GPU where the fault is.
   */
  readonly spares: ReadonlySet<string>;
}

/** A fault as a rule or an event states it. */
export interface FaultDraft {
  /** Tells faults of one GPU apart: a second report under the same key is the same fault. */
  readonly key: string;
  readonly condition: NvmlConditionType;
  readonly reason: string;
  /** One sentence, without its end; what was read or reported at the beginning of the fault. */
  readonly detail: string;
  /** In a few words, for the list of further faults. */
  readonly short: string;
  readonly gravity: number;
  /** A word of recommended_action; "" for none. */
  readonly action: string;
  readonly clearings: readonly Clearing[];
  /** Undefined: the whole GPU. */
  readonly scope?: FaultScope | undefined;
}

/** A fault that is open on a GPU. */
export interface Fault extends FaultDraft {
  /** CLOCK_MONOTONIC of its last report: older readings say nothing about it. */
  readonly monoNs: bigint;
  /** Whether the driver's verdict has read something else than NONE since. */
  readonly verdictMoved: boolean;
  /** For how long what ends it by a quiet period has been reading good; undefined while it does not. */
  readonly quietMs: number | undefined;
}

export type Faults = ReadonlyMap<string, Fault>;

/** After every fault of hardware; each of them also ends by an operator's word. */
export const BY_RESET: readonly Clearing[] = [{ kind: "verdict" }, { kind: "reset" }, { kind: "boot" }];

export const byReading = (text: string, quietMs: number): readonly Clearing[] => [{ kind: "reading", text, quietMs }];

/** The same key again begins the fault anew: what spoke for its end before says nothing about this time. */
export function raise(faults: Faults, draft: FaultDraft, monoNs: bigint): Faults {
  return new Map(faults).set(draft.key, { ...draft, monoNs, verdictMoved: false, quietMs: undefined });
}

export function without(faults: Faults, ends: (fault: Fault) => boolean): Faults {
  const left = new Map([...faults].filter(([, fault]) => !ends(fault)));
  return left.size === faults.size ? faults : left;
}

/** Whether the fault is one of this MIG instance, too. */
export function hits({ scope }: FaultDraft, instanceUuid: string): boolean {
  return scope === undefined || !scope.spares.has(instanceUuid);
}

/** An instance that has gone is spared no more: what comes back under its UUID may lie elsewhere. */
export function sparingOnly(faults: Faults, uuids: ReadonlySet<string>): Faults {
  const isStale = ({ scope }: Fault) => scope !== undefined && !scope.spares.isSubsetOf(uuids);
  if (![...faults.values()].some(isStale)) return faults;
  const narrowed = ({ scope, ...fault }: Fault): Fault => ({
    ...fault,
    scope: scope && { ...scope, spares: scope.spares.intersection(uuids) },
  });
  return new Map([...faults].map(([key, fault]) => [key, narrowed(fault)]));
}

/** Whether the fault has such a way to end. */
export function hasClearing(fault: FaultDraft, kind: Clearing["kind"]): boolean {
  return fault.clearings.some((clearing) => clearing.kind === kind);
}

/** Gravest first, the newest first among equals. */
export function byGravity(faults: Iterable<Fault>): readonly Fault[] {
  return [...faults].sort(
    (a, b) => b.gravity - a.gravity || (a.monoNs === b.monoNs ? 0 : a.monoNs < b.monoNs ? 1 : -1),
  );
}

/** As a phrase after "cleared by". `verdictRead`: whether this driver has field 230 at all. */
export function clearedBy(fault: FaultDraft, verdictRead: boolean): string {
  const phrases = fault.clearings.flatMap((clearing) => {
    const byVerdict = clearing.kind === "verdict" || clearing.kind === "acquittal";
    if (byVerdict && !verdictRead) return [];
    return clearing.kind === "operator" ? [] : [phraseOf(clearing)];
  });
  const all = [...phrases, CLEARING_TEXTS.operator];
  return all.length < 2 ? all.join() : `${all.slice(0, -1).join(", ")}, or ${all.at(-1)}`;
}

function phraseOf(clearing: Exclude<Clearing, { kind: "operator" }>): string {
  switch (clearing.kind) {
    case "verdict":
    case "reset":
    case "boot":
      return CLEARING_TEXTS[clearing.kind];
    case "xid":
      return `Xid ${clearing.codes.join(" or ")}`;
    case "return":
      return "the GPU when it answers again under this UUID";
    case "acquittal":
      return `the driver's verdict when it reads NONE for ${clearing.quietMs / 1_000} s (it meant another GPU)`;
    case "reading":
      return clearing.quietMs === 0 ? clearing.text : `${clearing.text} for ${clearing.quietMs / 1_000} s`;
  }
}
