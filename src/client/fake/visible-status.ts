import { create } from "@bufbuild/protobuf";
import { compareText } from "../../base/natural-order.ts";
import { type Condition, ConditionSchema, type GpuStatus, GpuStatusSchema } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { compareVerdicts, counts, gravestAction, verdictOf } from "./condition-verdict.ts";
import { type GpuFacts, type Moment, type Report, withTime } from "./gpu-facts.ts";
import { laterOf } from "./timestamps.ts";

const READY = "Ready";

/**
 * What consumers see, as the server condenses it: of each type the worst report, and Ready over all that count. Where
 * no provider reports, it is what the test put there, as it is. Pure.
 */
export function visibleStatus(facts: GpuFacts, before: readonly Condition[], at: Moment): GpuStatus | undefined {
  if (facts.reports.size === 0) return facts.seeded;
  const reports = shownReports(facts);
  const previous = new Map(before.map((condition) => [condition.type, condition]));
  const show = (report: Report) => withOwnTime(report, previous.get(report.condition.type), at);
  const rest = reports.filter(({ condition }) => condition.type !== READY).map(show);
  const conditions = [show(readyOf(reports, at)), ...rest.sort((a, b) => compareText(a.type, b.type))];
  const recommendedAction = gravestAction([...facts.reports.values()].map(({ action }) => action));
  return create(GpuStatusSchema, { conditions, recommendedAction });
}

/** One for each type. A seeded Ready is no input: it was a verdict over what the test put there. */
function shownReports({ seeded, reports }: GpuFacts): readonly Report[] {
  const worst = new Map<string, Report>();
  for (const { conditions } of reports.values()) {
    for (const [type, report] of conditions) {
      const rival = worst.get(type);
      if (rival === undefined || isWorse(report, rival)) worst.set(type, report);
    }
  }
  for (const condition of seeded?.conditions ?? []) {
    const { type } = condition;
    if (type !== READY && !worst.has(type)) worst.set(type, { condition, movedIn: 0 });
  }
  return [...worst.values()];
}

function isWorse(a: Report, b: Report): boolean {
  const order = compareVerdicts(verdictOf(a.condition), verdictOf(b.condition));
  return order > 0 || (order === 0 && a.movedIn > b.movedIn);
}

function readyOf(reports: readonly Report[], at: Moment): Report {
  const counting = reports.filter(({ condition }) => counts(condition.type));
  if (counting.length === 0) {
    const message = "only advisory conditions were reported";
    const ready = { type: READY, status: "True", reason: "AdvisoryOnly", message, lastTransitionTime: at.now };
    return { condition: create(ConditionSchema, ready), movedIn: at.write };
  }
  const { condition, movedIn } = counting.reduce((worst, report) => (isWorse(report, worst) ? report : worst));
  const verdict = verdictOf(condition);
  const status = verdict === "bad" ? "False" : verdict === "unknown" ? "Unknown" : "True";
  return { condition: create(ConditionSchema, { ...condition, type: READY, status }), movedIn };
}

/** The time moves only with the status, and never back: with a report that moved just now, or now. */
function withOwnTime({ condition, movedIn }: Report, before: Condition | undefined, at: Moment): Condition {
  const since = before?.lastTransitionTime;
  if (before?.status === condition.status && since !== undefined) return withTime(condition, since);
  const told = condition.lastTransitionTime;
  const moved = told !== undefined && (before === undefined || movedIn === at.write) ? told : at.now;
  return withTime(condition, laterOf(moved, since));
}
