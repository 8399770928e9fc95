import { timestampMs } from "@bufbuild/protobuf/wkt";
import { formatAge } from "../../base/age.ts";
import { compareNatural } from "../../base/natural-order.ts";
import type { Gpu } from "../../gen/device/v1alpha1/gpu_pb.ts";
import type { Event } from "../../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { eventLines } from "./event-lines.ts";
import { gpuHeadings, gpuRow, isReady, statusOf } from "./gpu-rows.ts";
import type { Paint } from "./paint.ts";
import { cell, type Row, tableLines } from "./table.ts";

/** What `status` shows. */
export interface StatusModel {
  /** The server, as the user wrote it. */
  readonly target: string;
  readonly gpus: readonly Gpu[];
  /** Newest first. */
  readonly events: readonly Event[];
  /** Why what is shown may be old; "" where it is fresh. */
  readonly trouble: string;
}

export interface StatusContext {
  readonly nowMs: number;
  readonly paint: Paint;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Everything, for whoever scrolls or greps. */
export function renderStatus(model: StatusModel, context: StatusContext): string {
  const gpus = gpuLines(model.gpus, context);
  const changes = changeLines(model.events, context);
  const lines = [...headLines(model, context), "", ...gpus, ...(changes.length === 0 ? [] : ["", ...changes])];
  return lines.map((line) => `${line}\n`).join("");
}

/** The most recent changes get what the GPUs leave, and so many lines of what is well, heading and gap included. */
const CHANGES_LINES_MIN = 5;
/** Gap, heading and one change: with less there are none. */
const CHANGES_LINES_LEAST = 3;
/** With fewer rows than this the server's name gives way. */
const NAMED_ROWS_MIN = 4;

/** As many lines as there are rows, or fewer, none wider than the screen: what is bad stands first. */
export function statusScreen(model: StatusModel, context: StatusContext, { columns, rows }: Size): readonly string[] {
  const [name, ...others] = headLines(model, context, columns);
  const head = rows < NAMED_ROWS_MIN ? others : [name ?? "", ...others];
  const gap = rows - head.length > 2 ? [""] : [];
  const room = Math.max(0, rows - head.length - gap.length);
  const gpus = gpuLines(model.gpus, context);
  const changes = changeLines(model.events, context);
  // Heading, and what is not Ready or else one row, and the line that tells how many are left out.
  const gpusMin = Math.min(gpus.length, Math.max(1, model.gpus.filter((gpu) => !isReady(gpu)).length) + 2);
  const forChanges =
    changes.length === 0 ? 0 : Math.min(changes.length + 1, Math.max(CHANGES_LINES_MIN, room - gpus.length));
  const forGpus = Math.max(room - forChanges, Math.min(room, gpusMin));
  const shownGpus = cut(gpus, forGpus, (left) => `… and ${left} more`);
  const left = room - shownGpus.length;
  const shownChanges = left < CHANGES_LINES_LEAST ? [] : ["", ...cut(changes, left - 1, () => "…")];
  const lines = [...head, ...gap, ...shownGpus, ...(changes.length === 0 ? [] : shownChanges)];
  return lines.slice(0, rows).map((line) => Bun.sliceAnsi(line, 0, columns));
}

/**
 * The heading and the first lines; the last tells how many are left out. Where hardly a line is left it is the first
 * one's, of which there is none worse.
 */
function cut(lines: readonly string[], max: number, note: (left: number) => string): readonly string[] {
  if (lines.length <= max) return lines;
  if (max <= 2) return lines.slice(0, 2).slice(2 - max);
  return [...lines.slice(0, max - 1), note(lines.length - max + 1)];
}

function headLines(
  { target, gpus, trouble }: StatusModel,
  { nowMs, paint }: StatusContext,
  columns = Number.POSITIVE_INFINITY,
): readonly string[] {
  const time = new Date(nowMs).toISOString().slice(0, 19);
  const head = [`${paint.strong(target)}  ${time}Z`, countsLine(gpus, paint, columns)];
  return trouble === "" ? head : [...head, paint.bad(cell(trouble, 400))];
}

/** Where it is wider than the screen, only what there is, what is bad first. */
function countsLine(gpus: readonly Gpu[], paint: Paint, columns: number): string {
  const count = (status: string) => gpus.filter((gpu) => statusOf(gpu) === status).length;
  const [ready, not] = [count("True"), count("False")];
  const well = { number: ready, word: "ready", colour: paint.good };
  const ill = [
    { number: not, word: "not ready", colour: paint.bad },
    { number: gpus.length - ready - not, word: "unknown", colour: paint.unknown },
  ];
  const text = (shown: readonly (typeof well)[]) =>
    shown.map(({ number, word, colour }) => (number === 0 ? `0 ${word}` : colour(`${number} ${word}`))).join(", ");
  const line = `${gpus.length} ${gpus.length === 1 ? "GPU" : "GPUs"}: ${text([well, ...ill])}`;
  if (gpus.length === 0 || Bun.stringWidth(line) <= columns) return line;
  return text([...ill, well].filter(({ number }) => number > 0));
}

/** Those that are not Ready first, for a screen may not have room for all. */
function gpuLines(gpus: readonly Gpu[], context: StatusContext): readonly string[] {
  if (gpus.length === 0) return ["no provider has registered a GPU"];
  const rank = (gpu: Gpu) => ["False", "Unknown", "True"].indexOf(statusOf(gpu));
  const name = (gpu: Gpu) => gpu.metadata?.name ?? "";
  const sorted = gpus.toSorted(
    (a, b) => rank(a) - rank(b) || compareNatural(name(a).toLowerCase(), name(b).toLowerCase()),
  );
  const rows = sorted.map((gpu) => gpuRow(gpu, { ...context, wide: false }));
  return tableLines([gpuHeadings(false).map(context.paint.strong), ...rows]);
}

function changeLines(events: readonly Event[], { nowMs, paint }: StatusContext): readonly string[] {
  if (events.length === 0) return [];
  const rows: readonly Row[] = events.map((event) => {
    const age = event.time === undefined ? "-" : formatAge(nowMs - timestampMs(event.time));
    const [first = "", ...others] = eventLines(event, paint);
    const more = others.length === 0 ? "" : paint.faint(`, and ${others.length} more`);
    const by = event.by === "" ? "" : `, ${others.at(-1)}`;
    return [age, cell(event.gpu), first + (event.by === "" ? more : by)];
  });
  return tableLines([["AGE", "CHANGED", "WHAT"].map(paint.strong), ...rows]);
}
