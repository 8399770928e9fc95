import { printable } from "../base/log-text.ts";
import { type Health, readyOf, type Turn } from "./fleet.ts";
import type { ConditionChange, GpuEvent } from "./types.ts";

export const HEALTH_WORDS: Readonly<Record<Health, string>> = {
  healthy: "Healthy",
  unhealthy: "Unhealthy",
  unknown: "Unknown",
};

/** A provider's text as a page bears it: characters that turn or hide what stands beside them are spelled out. */
export const plain = printable;

/** What a screen reader is told at once: each GPU where they are few, and numbers where they are many. */
export function announcement(turns: readonly Turn[]): string {
  if (turns.length <= 3)
    return turns.map(({ gpu, health }) => `${gpu.metadata.name} is ${stateOf(gpu, health)}.`).join(" ");
  const parts = (["unhealthy", "unknown", "healthy"] as const).flatMap((health) => {
    const count = turns.filter((turn) => turn.health === health).length;
    return count === 0 ? [] : [`${count} turned ${health}`];
  });
  return `GPUs: ${parts.join(", ")}.`;
}

function stateOf(gpu: Turn["gpu"], health: Health): string {
  const reason = readyOf(gpu)?.reason ?? "";
  return health === "healthy" || reason === "" ? health : `${health}: ${plain(reason)}`;
}

/** What changed, a line for each cause: Ready has the words of the condition that it comes from. */
export function changeTexts(changes: readonly ConditionChange[]): readonly string[] {
  const titles = new Map<string, string[]>();
  for (const change of changes) {
    const why = [change.reason, change.message]
      .filter((text) => text !== "")
      .map(plain)
      .join(" – ");
    titles.set(why, [...(titles.get(why) ?? []), titleOf(change)]);
  }
  return [...titles].map(([why, title]) => `${title.join(", ")}${why === "" ? "" : `: ${why}`}`);
}

/** `Ready True → False`, or what else is to be said of a condition that came, changed or went. */
function titleOf({ type, previousStatus, status }: ConditionChange): string {
  if (status === "") return `${plain(type)} is gone`;
  if (previousStatus === "") return `${plain(type)} ${status}`;
  if (previousStatus === status) return `${plain(type)} still ${status}`;
  return `${plain(type)} ${previousStatus} → ${status}`;
}

export function adviceText({ previousAction = "", recommendedAction }: GpuEvent): string {
  if (recommendedAction === undefined) return "";
  if (recommendedAction === "") return previousAction === "" ? "" : `Advice ${plain(previousAction)} is withdrawn`;
  return `Advice ${plain(recommendedAction)}`;
}
