import { compareText } from "../base/natural-order.ts";
import { gravestAction } from "./actions.ts";
import { type ConditionReader, READY, VERDICT_RANK } from "./condition-rules.ts";
import { laterOf } from "./instants.ts";
import type { ConditionStatus, GpuFacts, Health, Instant, ProviderReport, Report } from "./types.ts";

/** A condition as consumers see it. */
export interface VisibleCondition {
  readonly type: string;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
  readonly since: Instant;
}

/** What consumers see of a GPU's health. */
export interface VisibleStatus {
  /** Ready first, then by type; empty where nothing was reported. */
  readonly conditions: readonly VisibleCondition[];
  readonly action: string;
}

/** The transaction in which the condensing happens. */
export interface Moment {
  readonly transaction: number;
  readonly now: Instant;
}

/**
 * Condenses what all providers say into what consumers see. Pure.
 *
 * Where several report one type, the worst report is shown, the one that moved last among equals (by the order of
 * transactions, for clocks can leap; not by the last write, or two providers that refresh in turn would take turns).
 */
export function condense(facts: GpuFacts, before: VisibleStatus, reader: ConditionReader, at: Moment): VisibleStatus {
  const worst = worstByType(facts, reader);
  if (worst.size === 0) return { conditions: [], action: "" };
  const previous = new PreviousConditions(before.conditions);
  const others: Report[] = [];
  for (const report of worst.values()) if (report.type !== READY) others.push(report);
  others.sort(byType);
  const conditions = [show(readyOf(worst.values(), reader, at), previous.ready, at)];
  for (const report of others) conditions.push(show(report, previous.next(report.type), at));
  return { conditions, action: actionOf(facts, reader) };
}

/** Of those who report a fault that counts, the gravest. */
function actionOf(facts: GpuFacts, reader: ConditionReader): string {
  const advised: string[] = [];
  for (const report of facts.reports.values()) if (hasCountingFault(report, reader)) advised.push(report.action);
  return gravestAction(advised);
}

function byType(a: { readonly type: string }, b: { readonly type: string }): number {
  return compareText(a.type, b.type);
}

/** What was shown before, read along with what is shown now: both lists have Ready first and are sorted by type. */
class PreviousConditions {
  readonly ready: VisibleCondition | undefined;
  readonly #conditions: readonly VisibleCondition[];
  #at: number;

  constructor(conditions: readonly VisibleCondition[]) {
    this.ready = conditions[0]?.type === READY ? conditions[0] : undefined;
    this.#conditions = conditions;
    this.#at = this.ready === undefined ? 0 : 1;
  }

  /** To be asked in the order of the types. */
  next(type: string): VisibleCondition | undefined {
    for (;;) {
      const candidate = this.#conditions[this.#at];
      if (candidate === undefined) return undefined;
      if (candidate.type === type) return candidate;
      if (compareText(candidate.type, type) > 0) return undefined;
      this.#at++;
    }
  }
}

/** Whether the provider reports a fault that counts; only then does its advice stand. */
export function hasCountingFault(report: ProviderReport, reader: ConditionReader): boolean {
  for (const { type, status } of report.conditions.values()) {
    if (reader.isCountingFault(type, status)) return true;
  }
  return false;
}

/** The state in which a GPU is counted. */
export function healthOf(status: VisibleStatus): Health {
  switch (status.conditions[0]?.status) {
    case "True":
      return "healthy";
    case "False":
      return "unhealthy";
    default:
      return "unknown";
  }
}

function worstByType(facts: GpuFacts, reader: ConditionReader): ReadonlyMap<string, Report> {
  if (facts.reports.size === 1) for (const { conditions } of facts.reports.values()) return conditions;
  const worst = new Map<string, Report>();
  for (const provider of facts.reports.values()) {
    for (const report of provider.conditions.values()) {
      const rival = worst.get(report.type);
      if (rival === undefined || isWorse(report, rival, reader)) worst.set(report.type, report);
    }
  }
  return worst;
}

function isWorse(a: Report, b: Report, reader: ConditionReader): boolean {
  const rank = (report: Report) => VERDICT_RANK[reader.verdict(report.type, report.status)];
  return rank(a) - rank(b) > 0 || (rank(a) === rank(b) && a.movedIn > b.movedIn);
}

/** The server's verdict over the reports that count; a provider's own Ready is one of them. */
function readyOf(worst: Iterable<Report>, reader: ConditionReader, at: Moment): Report {
  let cause: Report | undefined;
  for (const report of worst) {
    if (reader.counts(report.type) && (cause === undefined || isWorse(report, cause, reader))) cause = report;
  }
  if (cause === undefined) {
    const message = "only advisory conditions were reported";
    return { type: READY, status: "True", reason: "AdvisoryOnly", message, since: at.now, movedIn: at.transaction };
  }
  const verdict = reader.verdict(cause.type, cause.status);
  const status = verdict === "bad" ? "False" : verdict === "unknown" ? "Unknown" : "True";
  return { ...cause, type: READY, status };
}

/**
 * The time moves only with the status, and never back. A report that moved in this very transaction says when; where
 * the status moved because another report went or changed, it is now. What did not change is the same object.
 */
function show(report: Report, before: VisibleCondition | undefined, at: Moment): VisibleCondition {
  const { type, status, reason, message } = report;
  const moved = before === undefined || before.status !== status;
  const ofReport = report.movedIn === at.transaction || before === undefined ? report.since : at.now;
  const since = moved ? laterOf(ofReport, before?.since) : before.since;
  if (!moved && before.reason === reason && before.message === message) return before;
  return Object.freeze({ type, status, reason, message, since });
}
