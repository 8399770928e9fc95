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
  const previous = new Map(before.conditions.map((condition) => [condition.type, condition]));
  const shown = [...worst.values()]
    .filter((report) => report.type !== READY)
    .map((report) => show(report, previous.get(report.type), at))
    .sort((a, b) => compareText(a.type, b.type));
  const ready = show(readyOf(worst.values(), reader, at), previous.get(READY), at);
  const advised = [...facts.reports.values()].filter((report) => hasCountingFault(report, reader));
  return { conditions: [ready, ...shown], action: gravestAction(advised.map((report) => report.action)) };
}

/** Whether the provider reports a fault that counts; only then does its advice stand. */
export function hasCountingFault(report: ProviderReport, reader: ConditionReader): boolean {
  for (const { type, status } of report.conditions.values()) {
    if (reader.counts(type) && reader.verdict(type, status) === "bad") return true;
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

function worstByType(facts: GpuFacts, reader: ConditionReader): Map<string, Report> {
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
 * the status moved because another report went or changed, it is now.
 */
function show(report: Report, before: VisibleCondition | undefined, at: Moment): VisibleCondition {
  const { type, status, reason, message } = report;
  const moved = before === undefined || before.status !== status;
  const ofReport = report.movedIn === at.transaction || before === undefined ? report.since : at.now;
  const since = moved ? laterOf(ofReport, before?.since) : before.since;
  return Object.freeze({ type, status, reason, message, since });
}
