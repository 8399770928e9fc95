import { timestampMs } from "@bufbuild/protobuf/wkt";
import { formatAge } from "../../base/age.ts";
import type { Condition, Gpu } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { type Paint, paintStatus } from "./paint.ts";
import { cell, type Row } from "./table.ts";

export interface RowContext {
  readonly nowMs: number;
  readonly paint: Paint;
  /** With identity, version and message. */
  readonly wide: boolean;
}

/** The last column, so it may be long; a line still has to end. */
const MESSAGE_CODE_POINTS_MAX = 200;

const HEADINGS: Row = ["NAME", "READY", "REASON", "ACTION", "AGE"];
const WIDE_HEADINGS: Row = ["UUID", "VERSION", "MESSAGE"];

export function gpuHeadings(wide: boolean): Row {
  return wide ? [...HEADINGS, ...WIDE_HEADINGS] : HEADINGS;
}

/** One GPU as people read it; AGE is how long Ready has had its status. */
export function gpuRow(gpu: Gpu, { nowMs, paint, wide }: RowContext): Row {
  const ready = readyOf(gpu);
  const since = ready?.lastTransitionTime;
  const status = statusOf(gpu);
  const row = [
    cell(gpu.metadata?.name ?? ""),
    paintStatus(paint, status)(cell(status)),
    cell(ready?.reason ?? "NoReport"),
    cell(gpu.status?.recommendedAction ?? ""),
    since === undefined ? "-" : formatAge(nowMs - timestampMs(since)),
  ];
  if (!wide) return row;
  return [
    ...row,
    cell(gpu.spec?.uuid ?? ""),
    cell(gpu.metadata?.resourceVersion ?? ""),
    cell(ready?.message ?? "", MESSAGE_CODE_POINTS_MAX),
  ];
}

export function readyOf(gpu: Gpu): Condition | undefined {
  return gpu.status?.conditions.find(({ type }) => type === "Ready");
}

/** Where nobody has reported, nobody knows. */
export function statusOf(gpu: Gpu): string {
  return readyOf(gpu)?.status ?? "Unknown";
}

export const isReady = (gpu: Gpu): boolean => statusOf(gpu) === "True";
