import type { Condition } from "../../gen/device/v1alpha1/gpu_pb.ts";

/** How a condition counts: the server's rules under its default flags. */
export type Verdict = "bad" | "unknown" | "good";

const RANK: Readonly<Record<Verdict, number>> = { good: 0, unknown: 1, bad: 2 };

/** --inverted-conditions: True means a fault. */
const INVERTED = /^(?:.*Error|.*Fault|Gpu.*Watch)$/su;
/** --advisory-conditions: shown, without a say in Ready. */
const ADVISORY = /^(?:ThermalHealthy|PowerHealthy)$/;

/** Rising; a word that is not known stands just above NONE. */
const ACTIONS: readonly string[] = [
  "NONE",
  "",
  "RESTART_APP",
  "COMPONENT_RESET",
  "RESTART_VM",
  "RESTART_BM",
  "RUN_DCGMEUD",
  "RUN_FIELDDIAG",
  "CONTACT_SUPPORT",
  "REPLACE_VM",
];
const ACTION_NOT_KNOWN = 1;

export function verdictOf({ type, status }: Pick<Condition, "type" | "status">): Verdict {
  if (status === "Unknown") return "unknown";
  return (status === "True") === INVERTED.test(type) ? "bad" : "good";
}

/** Above zero where `a` is worse than `b`. */
export function compareVerdicts(a: Verdict, b: Verdict): number {
  return RANK[a] - RANK[b];
}

export function counts(type: string): boolean {
  return !ADVISORY.test(type);
}

/** "" where none is advised. */
export function gravestAction(actions: readonly string[]): string {
  const rank = (action: string) => (ACTIONS.includes(action) ? ACTIONS.indexOf(action) : ACTION_NOT_KNOWN);
  return actions
    .filter((action) => action !== "")
    .reduce((worst, action) => (worst === "" || rank(action) > rank(worst) ? action : worst), "");
}
