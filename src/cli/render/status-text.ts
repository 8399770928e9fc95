import { timestampMs } from "@bufbuild/protobuf/wkt";
import { formatAge } from "../../base/age.ts";
import { compareNatural } from "../../base/natural-order.ts";
import type { Gpu } from "../../gen/device/v1alpha1/gpu_pb.ts";
import type { Event } from "../../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { eventLines } from "./event-lines.ts";
import { gpuHeadings, gpuRow, statusOf } from "./gpu-rows.ts";
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

/** The most recent changes get what the GPUs leave, and at least this many lines, heading and gap included. */
const CHANGES_LINES_MIN = 5;

/** As many lines as there are rows, or fewer, none wider than the screen: what is bad stands first. */
export function statusScreen(model: StatusModel, context: StatusContext, { columns, rows }: Size): readonly string[] {
  const head = headLines(model, context);
  const gpus = gpuLines(model.gpus, context);
  const changes = changeLines(model.events, context);
  const room = Math.max(0, rows - head.length - 1);
  const forChanges =
    changes.length === 0 ? 0 : Math.min(changes.length + 1, Math.max(CHANGES_LINES_MIN, room - gpus.length));
  const shownGpus = cut(gpus, Math.max(2, room - forChanges), (left) => `… and ${left} more`);
  const left = room - shownGpus.length - 1;
  const shownChanges = left < 2 ? [] : ["", ...cut(changes, left, () => "…")];
  const lines = [...head, "", ...shownGpus, ...(changes.length === 0 ? [] : shownChanges)];
  return lines.slice(0, rows).map((line) => Bun.sliceAnsi(line, 0, columns));
}

/** The first lines, the last of which tells how many are left out. */
function cut(lines: readonly string[], max: number, note: (left: number) => string): readonly string[] {
  if (lines.length <= max) return lines;
  return [...lines.slice(0, max - 1), note(lines.length - max + 1)];
}

function headLines({ target, gpus, trouble }: StatusModel, { nowMs, paint }: StatusContext): readonly string[] {
  const count = (status: string) => gpus.filter((gpu) => statusOf(gpu) === status).length;
  const [ready, not] = [count("True"), count("False")];
  const unknown = gpus.length - ready - not;
  const tone = (number: number, text: string, colour: (text: string) => string) => (number === 0 ? text : colour(text));
  const counts = [
    tone(ready, `${ready} ready`, paint.good),
    tone(not, `${not} not ready`, paint.bad),
    tone(unknown, `${unknown} unknown`, paint.unknown),
  ].join(", ");
  const time = new Date(nowMs).toISOString().slice(0, 19);
  const head = [`${paint.strong(target)}  ${time}Z`, `${gpus.length} ${gpus.length === 1 ? "GPU" : "GPUs"}: ${counts}`];
  return trouble === "" ? head : [...head, paint.bad(cell(trouble, 400))];
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
