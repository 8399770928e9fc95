import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type Condition, ConditionSchema, type GpuStatus } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { counts, verdictOf } from "./condition-verdict.ts";
import { isPlausible, laterOf } from "./timestamps.ts";

/** One provider's word on one aspect. */
export interface Report {
  readonly condition: Condition;
  /** The write in which its status last moved: among equals the newest is shown. */
  readonly movedIn: number;
}

export interface ProviderReport {
  /** By type. */
  readonly conditions: ReadonlyMap<string, Report>;
  readonly action: string;
}

/** What stands behind a GPU that providers report on. Commands return new facts. */
export interface GpuFacts {
  /** What the test itself put there: of each type, a provider's report takes its place. */
  readonly seeded: GpuStatus | undefined;
  /** Ids of providers; the first one may change the spec. */
  readonly registrations: readonly string[];
  /** By provider. */
  readonly reports: ReadonlyMap<string, ProviderReport>;
}

/** The write that happens. */
export interface Moment {
  readonly write: number;
  readonly now: Timestamp;
}

const NO_REPORT: ProviderReport = { conditions: new Map(), action: "" };

export function withRegistration(facts: GpuFacts, provider: string): GpuFacts {
  if (facts.registrations.includes(provider)) return facts;
  return { ...facts, registrations: [...facts.registrations, provider] };
}

/** Replaces all that the provider says. */
export function withStatus(facts: GpuFacts, provider: string, status: GpuStatus, at: Moment): GpuFacts {
  const before = facts.reports.get(provider) ?? NO_REPORT;
  const conditions = new Map(
    status.conditions.map((next) => [next.type, reportOf(next, before.conditions.get(next.type), at)]),
  );
  return withReport(facts, provider, { conditions, action: status.recommendedAction });
}

/** Replaces one condition of the provider. */
export function withCondition(facts: GpuFacts, provider: string, next: Condition, at: Moment): GpuFacts {
  const { conditions, action } = facts.reports.get(provider) ?? NO_REPORT;
  const report = reportOf(next, conditions.get(next.type), at);
  return withReport(facts, provider, { conditions: new Map(conditions).set(next.type, report), action });
}

/** The provider fell silent: its good conditions are Unknown now, its bad ones stay. */
export function withLostProvider(facts: GpuFacts, provider: string, at: Moment): GpuFacts {
  const { conditions, action } = facts.reports.get(provider) ?? NO_REPORT;
  const message = "its provider has been silent for longer than its lease";
  const next = new Map(conditions);
  for (const [type, report] of conditions) {
    if (verdictOf(report.condition) !== "good") continue;
    const lost = create(ConditionSchema, { type, status: "Unknown", reason: "ProviderLost", message });
    next.set(type, reportOf(lost, report, at));
  }
  return withReport(facts, provider, { conditions: next, action });
}

export function conditionCount({ reports }: GpuFacts): number {
  return [...reports.values()].reduce((sum, { conditions }) => sum + conditions.size, 0);
}

/** Advice without a fault that counts does not stand. */
function withReport(facts: GpuFacts, provider: string, { conditions, action }: ProviderReport): GpuFacts {
  const reports = new Map(facts.reports);
  const hasFault = [...conditions.values()].some(
    ({ condition }) => counts(condition.type) && verdictOf(condition) === "bad",
  );
  if (conditions.size === 0) reports.delete(provider);
  else reports.set(provider, { conditions, action: hasFault ? action : "" });
  return { ...facts, reports };
}

/** The time moves only with the status, and never back; the provider's own is taken where it can be true. */
function reportOf(next: Condition, before: Report | undefined, at: Moment): Report {
  const since = before?.condition.lastTransitionTime;
  if (before?.condition.status === next.status) return { ...before, condition: withTime(next, since ?? at.now) };
  const told = next.lastTransitionTime;
  const moved = told !== undefined && isPlausible(told, at.now) ? told : at.now;
  return { condition: withTime(next, laterOf(moved, since)), movedIn: at.write };
}

export function withTime(condition: Condition, lastTransitionTime: Timestamp): Condition {
  return create(ConditionSchema, { ...condition, lastTransitionTime });
}
