import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { formatAge } from "../../base/age.ts";
import { printable } from "../../base/log-text.ts";
import type { Condition } from "../../gen/device/v1alpha1/gpu_pb.ts";
import {
  type DescribeGpuResponse,
  type Event,
  type GpuProvider,
  type OperatorAction,
  type ReportedCondition,
  Verdict,
} from "../../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { explainAction } from "./advice.ts";
import { eventLines } from "./event-lines.ts";
import { type Paint, paintStatus } from "./paint.ts";
import { leaseOf } from "./provider-table.ts";
import { cell, isCut, type Row, tableLines } from "./table.ts";

export interface DescriptionContext {
  readonly nowMs: number;
  readonly paint: Paint;
  /** Where messages are folded; undefined where nothing is, for programs that read lines. */
  readonly columns: number | undefined;
}

/** A provider's report, and whose it is. */
interface Told {
  readonly id: string;
  readonly report: ReportedCondition;
}

/** All that is known about a GPU, in sections; one without content is left out. */
export function renderDescription(
  reply: DescribeGpuResponse,
  events: readonly Event[],
  context: DescriptionContext,
): string {
  const told = reply.providers.flatMap(({ provider, conditions }) =>
    conditions.map((report) => ({ id: provider?.id ?? "", report })),
  );
  const sections = [
    headLines(reply, told, context),
    section("Conditions", conditionLines(reply.gpu?.status?.conditions ?? [], told, context), context),
    section("Hidden by another report of the same type", hiddenLines(told, context), context),
    section("Providers", providerLines(reply.providers, context), context),
    section("Operators", actionLines(reply.actions, context), context),
    section("Events", eventTable(events, context), context),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => `${line}\n`).join(""))
    .join("\n");
}

function section(title: string, lines: readonly string[], { paint }: DescriptionContext): readonly string[] {
  return lines.length === 0 ? [] : [paint.strong(`${title}:`), ...lines];
}

function headLines({ gpu }: DescribeGpuResponse, told: readonly Told[], context: DescriptionContext) {
  const { paint } = context;
  const ready = gpu?.status?.conditions.find(({ type }) => type === "Ready");
  const action = gpu?.status?.recommendedAction ?? "";
  const xids = [...new Set(told.flatMap(({ report }) => xidsOf(report)))];
  const rows: Row[] = [
    ["Name:", paint.strong(cell(gpu?.metadata?.name ?? ""))],
    ["UUID:", cell(gpu?.spec?.uuid ?? "")],
    ["Ready:", ready === undefined ? "Unknown: nobody has reported yet" : readyText(ready, context)],
    ["Version:", cell(gpu?.metadata?.resourceVersion ?? "")],
  ];
  if (action !== "") rows.push(["Advice:", paint.bad(printable(explainAction(action)))]);
  if (xids.length > 0) rows.push(["See:", `device-api-server explain ${xids.join(" ")}`]);
  return tableLines(rows);
}

function readyText({ status, reason, lastTransitionTime }: Condition, context: DescriptionContext): string {
  const why = reason === "" ? "" : `, ${cell(reason)}`;
  return `${paintStatus(context.paint, status)(cell(status))} for ${ageOf(lastTransitionTime, context)}${why}`;
}

/** The Xids that a fault's message names. */
function xidsOf({ condition, verdict }: ReportedCondition): readonly string[] {
  if (verdict !== Verdict.BAD) return [];
  return [...(condition?.message ?? "").matchAll(/\bXid (\d{1,4})\b/g)].map((match) => match[1] ?? "");
}

/** A row for each, and its message below it; Ready's is that of the condition it comes from. */
function conditionLines(
  conditions: readonly Condition[],
  told: readonly Told[],
  context: DescriptionContext,
): readonly string[] {
  const known = conditions.map((condition) => {
    const reports = told.filter(({ report }) => report.shown && report.condition?.type === condition.type);
    return { condition, reports, advisory: reports.some(({ report }) => report.advisory) };
  });
  const headings = ["TYPE", "STATUS", "AGE", "REASON", "COUNTS", "PROVIDER"].map(context.paint.strong);
  const rows = known.map(({ condition, reports, advisory }) => [
    ...conditionCells(condition, verdictOf(condition, reports), context),
    condition.type === "Ready" ? "-" : advisory ? "no" : "yes",
    cell(reports.map(({ id }) => id).join(", ")),
  ]);
  const [head, ...lines] = tableLines([headings, ...rows], "  ");
  if (rows.length === 0) return [];
  const isRepeated = (message: string) =>
    conditions.some((other) => other.type !== "Ready" && other.message === message);
  return [
    head ?? "",
    ...lines.flatMap((line, i) => {
      const { type = "", message = "" } = known[i]?.condition ?? {};
      return type === "Ready" && isRepeated(message) ? [line] : [line, ...messageLines(message, context)];
    }),
  ];
}

function conditionCells(
  { type, status, reason, lastTransitionTime }: Condition,
  verdict: Verdict,
  context: DescriptionContext,
): Row {
  return [cell(type), paintOf(verdict, context)(cell(status)), ageOf(lastTransitionTime, context), cell(reason)];
}

/** Of Ready, which nobody reports, the server's own. */
function verdictOf({ type, status }: Condition, [first]: readonly Told[]): Verdict {
  if (first !== undefined && type !== "Ready") return first.report.verdict;
  return status === "True" ? Verdict.GOOD : status === "False" ? Verdict.BAD : Verdict.UNKNOWN;
}

function paintOf(verdict: Verdict, { paint }: DescriptionContext): (text: string) => string {
  switch (verdict) {
    case Verdict.BAD:
      return paint.bad;
    case Verdict.GOOD:
      return paint.good;
    default:
      return paint.unknown;
  }
}

const MESSAGE_INDENT = "      ";

function messageLines(message: string, { columns, paint }: DescriptionContext): readonly string[] {
  if (message === "") return [];
  const text = printable(message);
  const lines = columns === undefined ? [text] : fold(text, Math.max(20, columns - MESSAGE_INDENT.length));
  return lines.map((line) => MESSAGE_INDENT + paint.faint(line));
}

function fold(text: string, columns: number): readonly string[] {
  return Bun.wrapAnsi(text, columns, { hard: true }).split("\n");
}

function hiddenLines(told: readonly Told[], context: DescriptionContext): readonly string[] {
  const rows = told.flatMap(({ id, report }) => {
    const { condition, shown, verdict } = report;
    // What is as bad and reads the same to a person is no news.
    if (shown || condition === undefined) return [];
    return [[...conditionCells(condition, verdict, context), cell(id)]];
  });
  if (rows.length === 0) return [];
  return tableLines([["TYPE", "STATUS", "AGE", "REASON", "PROVIDER"].map(context.paint.strong), ...rows], "  ");
}

function providerLines(providers: readonly GpuProvider[], context: DescriptionContext): readonly string[] {
  if (providers.length === 0) return [];
  const headings = ["ID", "OWNER", "LEASE", "HEARTBEAT", "WRITE", "REGISTERED", "CONDITIONS", "BAD", "ADVICE"];
  const rows = providers.flatMap(({ provider, registered, recommendedAction }) => {
    if (provider === undefined) return [];
    return [
      [
        cell(provider.id),
        provider.builtIn ? "built-in" : cell(provider.owner),
        leaseOf(provider),
        ageOf(provider.lastHeartbeat, context),
        ageOf(provider.lastWrite, context),
        registered ? "yes" : "no",
        String(provider.conditions),
        String(provider.badConditions),
        cell(recommendedAction),
      ],
    ];
  });
  return tableLines([headings.map(context.paint.strong), ...rows], "  ");
}

/** The last column, so it may be long. */
const OUTCOME_CODE_POINTS_MAX = 120;

/** An operator's words are a record: where a column has no room for them they stand whole below the row. */
function actionLines(actions: readonly OperatorAction[], context: DescriptionContext): readonly string[] {
  if (actions.length === 0) return [];
  const latestFirst = actions.toReversed();
  const rows = latestFirst.map(({ time, uid, method, reason, outcome }) => [
    ageOf(time, context),
    `uid ${uid}`,
    cell(method),
    cell(reason),
    cell(outcome, OUTCOME_CODE_POINTS_MAX),
  ]);
  const headings = ["AGE", "WHO", "ASKED FOR", "REASON", "OUTCOME"].map(context.paint.strong);
  const [head = "", ...lines] = tableLines([headings, ...rows], "  ");
  const below = latestFirst.map(({ reason, outcome }) => [
    ...(isCut(reason) ? messageLines(reason, context) : []),
    ...(isCut(outcome, OUTCOME_CODE_POINTS_MAX) ? messageLines(outcome, context) : []),
  ]);
  return [head, ...lines.flatMap((line, i) => [line, ...(below[i] ?? [])])];
}

function eventTable(events: readonly Event[], context: DescriptionContext): readonly string[] {
  if (events.length === 0) return [];
  const rows = events.flatMap((event) => {
    const [first = "", ...others] = eventLines(event, context.paint);
    return [[ageOf(event.time, context), cell(event.type), first], ...others.map((line) => ["", "", line])];
  });
  return tableLines([["AGE", "EVENT", "CHANGE"].map(context.paint.strong), ...rows], "  ");
}

function ageOf(at: Timestamp | undefined, { nowMs }: DescriptionContext): string {
  return at === undefined ? "-" : formatAge(nowMs - timestampMs(at));
}
