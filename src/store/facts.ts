import { resourceExhausted } from "../base/status-error.ts";
import { hasCountingFault, type Moment } from "./aggregate.ts";
import { type ConditionReader, PROVIDER_LOST } from "./condition-rules.ts";
import { isPlausible, laterOf } from "./instants.ts";
import { CONDITIONS_PER_GPU_MAX } from "./limits.ts";
import type { ConditionInput, GpuFacts, ProviderReport, Report, StatusInput } from "./types.ts";

const NO_REPORT: ProviderReport = { conditions: new Map(), action: "" };

/**
 * The commands on one GPU, as pure functions: present facts in, new facts out. Where nothing changes, the same object
 * comes back.
 */

export function withRegistration(facts: GpuFacts, provider: string): GpuFacts {
  if (facts.registrations.includes(provider)) return facts;
  return { ...facts, registrations: [...facts.registrations, provider] };
}

/** A UUID that was left out, or differs in case alone, is no change. */
export function withUuid(facts: GpuFacts, uuid: string): GpuFacts {
  return uuid === "" || uuid.toLowerCase() === facts.uuid.toLowerCase() ? facts : { ...facts, uuid };
}

/** Without the registrations and reports of these providers. */
export function withoutProviders(facts: GpuFacts, gone: ReadonlySet<string>): GpuFacts {
  const registrations = facts.registrations.filter((id) => !gone.has(id));
  const reports = new Map([...facts.reports].filter(([id]) => !gone.has(id)));
  if (registrations.length === facts.registrations.length && reports.size === facts.reports.size) return facts;
  return { ...facts, registrations, reports };
}

/** Replaces all that the provider says. */
export function withStatus(
  facts: GpuFacts,
  provider: string,
  status: StatusInput,
  reader: ConditionReader,
  at: Moment,
): GpuFacts {
  const before = facts.reports.get(provider) ?? NO_REPORT;
  const conditions = new Map(
    status.conditions.map((input) => [input.type, reportOf(input, before.conditions.get(input.type), at)]),
  );
  return withReport(facts, provider, { conditions, action: status.action }, reader);
}

/** Writes one condition of the provider. */
export function withCondition(
  facts: GpuFacts,
  provider: string,
  input: ConditionInput,
  reader: ConditionReader,
  at: Moment,
): GpuFacts {
  const before = facts.reports.get(provider) ?? NO_REPORT;
  const conditions = new Map(before.conditions);
  conditions.set(input.type, reportOf(input, before.conditions.get(input.type), at));
  return withReport(facts, provider, { conditions, action: before.action }, reader);
}

/**
 * The provider fell silent: its good conditions are Unknown now. Its bad ones stay, because stale bad news is safe and
 * stale good news is not.
 */
export function withLostProvider(
  facts: GpuFacts,
  provider: string,
  leaseMs: number,
  reader: ConditionReader,
  at: Moment,
): GpuFacts {
  const before = facts.reports.get(provider);
  if (before === undefined) return facts;
  const message = `its provider has been silent for more than ${leaseMs / 1_000} s`;
  let changed = false;
  const conditions = new Map(before.conditions);
  for (const report of before.conditions.values()) {
    if (reader.verdict(report.type, report.status) !== "good") continue;
    changed = true;
    const input = { type: report.type, status: "Unknown", reason: PROVIDER_LOST, message, at: undefined } as const;
    conditions.set(report.type, reportOf(input, report, at));
  }
  return changed ? withReport(facts, provider, { conditions, action: before.action }, reader) : facts;
}

export function conditionCount(facts: GpuFacts): number {
  let count = 0;
  for (const report of facts.reports.values()) count += report.conditions.size;
  return count;
}

/** The one place where a provider's report enters the facts: limits, advice without a fault, nothing-changed. */
function withReport(facts: GpuFacts, provider: string, report: ProviderReport, reader: ConditionReader): GpuFacts {
  const action = hasCountingFault(report, reader) ? report.action : "";
  const before = facts.reports.get(provider) ?? NO_REPORT;
  if (before.action === action && sameConditions(before, report)) return facts;
  const reports = new Map(facts.reports);
  if (report.conditions.size === 0) reports.delete(provider);
  else reports.set(provider, { conditions: report.conditions, action });
  const next = { ...facts, reports };
  const count = conditionCount(next);
  if (count > CONDITIONS_PER_GPU_MAX) {
    const problem = `${facts.name} would have ${count} conditions of all providers, the limit is`;
    throw resourceExhausted("conditions", `${problem} ${CONDITIONS_PER_GPU_MAX} per GPU`);
  }
  return next;
}

function sameConditions(a: ProviderReport, b: ProviderReport): boolean {
  if (a.conditions.size !== b.conditions.size) return false;
  for (const [type, report] of a.conditions) if (b.conditions.get(type) !== report) return false;
  return true;
}

/** The same object where the provider said nothing new; the time moves only with the status, and never back. */
function reportOf(input: ConditionInput, before: Report | undefined, at: Moment): Report {
  const { type, status, reason, message } = input;
  if (before !== undefined && before.status === status) {
    if (before.reason === reason && before.message === message) return before;
    return Object.freeze({ ...before, reason, message });
  }
  // A copy: what the caller does with its object later must not reach the state.
  const moved = input.at !== undefined && isPlausible(input.at, at.now) ? Object.freeze({ ...input.at }) : at.now;
  return Object.freeze({
    type,
    status,
    reason,
    message,
    since: laterOf(moved, before?.since),
    movedIn: at.transaction,
  });
}
