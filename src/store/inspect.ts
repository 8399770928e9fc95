import { compareNatural } from "../base/natural-order.ts";
import type { ConditionReader } from "./condition-rules.ts";
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
  const rank = ({ provider }: ProviderSummary) => (provider.identity === undefined ? 0 : 1);
  return summaries.sort((a, b) => rank(a) - rank(b) || compareNatural(a.provider.id, b.provider.id));
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
