import { compareNatural, compareText } from "../base/natural-order.ts";
import type { VisibleStatus } from "./aggregate.ts";
import type { ConditionReader, Verdict } from "./condition-rules.ts";
import { leaseRemainingMs, type Provider } from "./providers.ts";
import type { GpuFacts, Report } from "./types.ts";

/** What an operator asks of the store, beyond what consumers see. Pure. */

/** A provider, and how much stands under its id. */
export interface ProviderSummary {
  readonly provider: Provider;
  /** Only where a lease is in force. */
  readonly leaseRemainingMs: number | undefined;
  /** GPUs that it has registered or reports on. */
  readonly gpus: number;
  readonly conditions: number;
  readonly bad: number;
}

/** A bad condition, and who reports it. */
export interface ReportedFault {
  readonly provider: Provider;
  readonly report: Report;
}

/** A condition as one provider reports it, and what that means. */
export interface JudgedReport {
  readonly report: Report;
  readonly verdict: Verdict;
  /** Its type has a say in Ready. */
  readonly counts: boolean;
  /** It is what consumers see of its type. */
  readonly shown: boolean;
}

/** What one provider says about one GPU; the summary counts that GPU alone. */
export interface GpuProvider {
  readonly summary: ProviderSummary;
  readonly registered: boolean;
  /** By type. */
  readonly reports: readonly JudgedReport[];
  readonly action: string;
}

export interface InspectionContext {
  readonly reader: ConditionReader;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly leaseMs: number;
  readonly nowMs: number;
}

/** The server's own first, then by id. */
export function summarize(gpus: Iterable<GpuFacts>, context: InspectionContext): readonly ProviderSummary[] {
  const { reader, providers, leaseMs, nowMs } = context;
  const none = () => ({ gpus: 0, conditions: 0, bad: 0 });
  const counts = new Map([...providers.keys()].map((id) => [id, none()]));
  for (const { registrations, reports } of gpus) {
    for (const id of new Set([...registrations, ...reports.keys()])) {
      const count = counts.get(id);
      if (count === undefined) continue;
      count.gpus++;
      for (const report of reports.get(id)?.conditions.values() ?? []) {
        count.conditions++;
        if (isBad(report, reader)) count.bad++;
      }
    }
  }
  const summaries = [...providers.values()].map((provider) => ({
    provider,
    leaseRemainingMs: leaseRemainingMs(provider, leaseMs, nowMs),
    ...(counts.get(provider.id) ?? none()),
  }));
  return summaries.sort(inOrder);
}

/** What each provider of a GPU says, in the same order; `seen` is what consumers see. */
export function providersOf(
  { registrations, reports }: GpuFacts,
  seen: VisibleStatus,
  { reader, providers, leaseMs, nowMs }: InspectionContext,
): readonly GpuProvider[] {
  const found = [...new Set([...registrations, ...reports.keys()])].flatMap((id) => {
    const provider = providers.get(id);
    if (provider === undefined) return [];
    const said = reports.get(id);
    const judged = [...(said?.conditions.values() ?? [])].map((report) => judge(report, seen, reader));
    const summary = {
      provider,
      leaseRemainingMs: leaseRemainingMs(provider, leaseMs, nowMs),
      gpus: 1,
      conditions: judged.length,
      bad: judged.filter(({ verdict }) => verdict === "bad").length,
    };
    const byType = judged.sort((a, b) => compareText(a.report.type, b.report.type));
    return [{ summary, registered: registrations.includes(id), reports: byType, action: said?.action ?? "" }];
  });
  return found.sort((a, b) => inOrder(a.summary, b.summary));
}

function judge(report: Report, seen: VisibleStatus, reader: ConditionReader): JudgedReport {
  const { type, status, reason, message } = report;
  const shown = seen.conditions.find((condition) => condition.type === type);
  return {
    report,
    verdict: reader.verdict(type, status),
    counts: reader.counts(type),
    shown: shown?.status === status && shown.reason === reason && shown.message === message,
  };
}

function inOrder(a: ProviderSummary, b: ProviderSummary): number {
  const rank = ({ provider }: ProviderSummary) => (provider.identity === undefined ? 0 : 1);
  return rank(a) - rank(b) || compareNatural(a.provider.id, b.provider.id);
}

/** Every bad condition of a GPU, by provider; whoever hides behind a worse report of the same type, too. */
export function faultsOf(facts: GpuFacts, { reader, providers }: InspectionContext): readonly ReportedFault[] {
  return [...facts.reports].flatMap(([id, { conditions }]) => {
    const provider = providers.get(id);
    if (provider === undefined) return [];
    return [...conditions.values()].filter((report) => isBad(report, reader)).map((report) => ({ provider, report }));
  });
}

function isBad({ type, status }: Report, reader: ConditionReader): boolean {
  return reader.verdict(type, status) === "bad";
}
