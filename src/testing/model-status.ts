import type { VisibleCondition } from "./commands.ts";

/** The contract on conditions, as plainly as it can be said: no index, no memory, everything worked out anew. */

export interface ModelReport {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly since: bigint;
  /** The number of the transaction in which the status last moved. */
  readonly movedIn: number;
}

/** What one provider says about one GPU. */
export interface Statement {
  readonly provider: string;
  readonly action: string;
  readonly reports: readonly ModelReport[];
}

/** How types are read. */
export interface ModelRules {
  isInverted(type: string): boolean;
  isAdvisory(type: string): boolean;
}

/** The contract's defaults, written out: `*Error,*Fault,Gpu*Watch` and `ThermalHealthy,PowerHealthy`. */
export const CONTRACT_RULES: ModelRules = {
  isInverted: (type) =>
    type.endsWith("Error") || type.endsWith("Fault") || (type.startsWith("Gpu") && type.slice(3).endsWith("Watch")),
  isAdvisory: (type) => type === "ThermalHealthy" || type === "PowerHealthy",
};

export interface Shown {
  readonly action: string;
  readonly conditions: readonly VisibleCondition[];
}

export interface Instant {
  readonly transaction: number;
  /** Nanoseconds since 1970. */
  readonly now: bigint;
}

const RANKS = [
  "NONE",
  "any other word",
  "RESTART_APP",
  "COMPONENT_RESET",
  "RESTART_VM",
  "RESTART_BM",
  "RUN_DCGMEUD",
  "RUN_FIELDDIAG",
  "CONTACT_SUPPORT",
  "REPLACE_VM",
];

export function isGood(rules: ModelRules, { type, status }: { type: string; status: string }): boolean {
  return status === (rules.isInverted(type) ? "False" : "True");
}

function isBad(rules: ModelRules, report: { type: string; status: string }): boolean {
  return report.status !== "Unknown" && !isGood(rules, report);
}

function badness(rules: ModelRules, report: ModelReport): number {
  return isBad(rules, report) ? 2 : report.status === "Unknown" ? 1 : 0;
}

export function hasCountingFault(rules: ModelRules, reports: readonly ModelReport[]): boolean {
  return reports.some((report) => isBad(rules, report) && !rules.isAdvisory(report.type));
}

/** Bad before Unknown before good, among equals the one that moved last, among those the one that stands first. */
function worst(rules: ModelRules, reports: readonly ModelReport[]): ModelReport | undefined {
  return [...reports].sort((a, b) => badness(rules, b) - badness(rules, a) || b.movedIn - a.movedIn)[0];
}

function later(a: bigint, b: bigint | undefined): bigint {
  return b !== undefined && b > a ? b : a;
}

/** What consumers see where providers say this and `before` was seen until now. */
export function shownOf(statements: readonly Statement[], before: Shown, rules: ModelRules, at: Instant): Shown {
  const all = statements.flatMap(({ reports }) => reports);
  if (all.length === 0) return { action: "", conditions: [] };
  const types = [...new Set(all.map(({ type }) => type))];
  const visible = types.map((type) => {
    const rivals = all.filter((report) => report.type === type);
    return worst(rules, rivals) as ModelReport;
  });
  const others = visible.filter(({ type }) => type !== "Ready").sort((a, b) => (a.type < b.type ? -1 : 1));
  const shown = [readyOf(visible, rules, at), ...others].map((report) => {
    const { type, status, reason, message } = report;
    const old = before.conditions.find((condition) => condition.type === type);
    if (old?.status === status) return { type, status, reason, message, since: old.since };
    const moved = report.movedIn === at.transaction ? report.since : at.now;
    return { type, status, reason, message, since: later(moved, old?.since) };
  });
  return { action: actionOf(statements, rules), conditions: shown };
}

function readyOf(visible: readonly ModelReport[], rules: ModelRules, at: Instant): ModelReport {
  const counting = visible.filter(({ type }) => !rules.isAdvisory(type));
  const cause = worst(rules, counting);
  if (cause === undefined) {
    // The contract gives no words for "all that count are good" where none counts; these are the server's own.
    const message = "only advisory conditions were reported";
    return {
      type: "Ready",
      status: "True",
      reason: "AdvisoryOnly",
      message,
      since: at.now,
      movedIn: at.transaction,
    };
  }
  const anyBad = counting.some((report) => isBad(rules, report));
  const anyUnknown = counting.some(({ status }) => status === "Unknown");
  return { ...cause, type: "Ready", status: anyBad ? "False" : anyUnknown ? "Unknown" : "True" };
}

function actionOf(statements: readonly Statement[], rules: ModelRules): string {
  const rank = (action: string) => (RANKS.includes(action) ? RANKS.indexOf(action) : 1);
  const advice = statements
    .filter(({ action, reports }) => action !== "" && hasCountingFault(rules, reports))
    .map(({ action }) => action);
  return advice.sort((a, b) => rank(b) - rank(a))[0] ?? "";
}

const EARLIEST_SECONDS = 1_262_304_000; // 2010-01-01, by the server's limits
const AHEAD_SECONDS = 60;

/** The report after a provider said this, where `before` was its report of the same type. */
export function reportAfter(
  said: { type: string; status: string; reason: string; message: string; at?: { seconds: number; nanos: number } },
  before: ModelReport | undefined,
  at: Instant,
): ModelReport {
  const { type, status, reason, message } = said;
  if (before?.status === status) return { ...before, reason, message };
  let since = at.now;
  if (said.at !== undefined) {
    const { seconds, nanos } = said.at;
    const wellFormed = nanos >= 0 && nanos < 1_000_000_000;
    // To the second: whether a time lies 60 or 60.5 s ahead makes no difference to anybody.
    const ahead = seconds - Number(at.now / 1_000_000_000n);
    if (wellFormed && seconds >= EARLIEST_SECONDS && ahead <= AHEAD_SECONDS) {
      since = BigInt(seconds) * 1_000_000_000n + BigInt(nanos);
    }
  }
  return { type, status, reason, message, since: later(since, before?.since), movedIn: at.transaction };
}
