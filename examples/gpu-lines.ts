import type { Gpu } from "device-api-client";

export const nameOf = (gpu: Gpu): string => gpu.metadata?.name ?? "";

/** `gpu-0 Ready=False XidError RESTART_BM`: the server's verdict, why, and what to do about it. */
export function lineOf(gpu: Gpu): string {
  const ready = gpu.status?.conditions.find(({ type }) => type === "Ready");
  const verdict = ready === undefined ? "not reported yet" : `Ready=${ready.status} ${ready.reason}`;
  return `${nameOf(gpu)} ${verdict} ${gpu.status?.recommendedAction ?? ""}`.trimEnd();
}
