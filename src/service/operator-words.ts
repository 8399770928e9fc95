import { truncate } from "../base/log-text.ts";
import type { RecentEvent } from "../store/recent-events.ts";
import { keyOf } from "../store/transaction.ts";
import type { AuditEntry } from "./audit-log.ts";

/** Of the reason: a list of events repeats it with each event. */
const REASON_SHOWN_MAX = 256;

/** The event with the operator's word that brought it about, where it was one. */
export function withOperatorsWord(event: RecentEvent, entries: readonly AuditEntry[]): RecentEvent {
  const cause = entries.find((entry) => broughtAbout(entry, event));
  return cause === undefined ? event : { ...event, by: wordOf(cause) };
}

/** Whether the request named the GPU, or changed what stands under it. */
export function concerns({ kind, target, change }: AuditEntry, gpu: string): boolean {
  const key = keyOf(gpu);
  return (kind === "gpu" && keyOf(target) === key) || change?.gpus.has(key) === true;
}

function broughtAbout({ change }: AuditEntry, event: RecentEvent): boolean {
  if (change === undefined || event.version <= change.after || event.version > change.upTo) return false;
  if (!change.gpus.has(keyOf(event.gpu))) return false;
  const { ended } = change;
  if (ended === undefined) return true;
  return event.changes.some(({ type, from, to }) => from !== undefined && from !== to && ended.get(type) === from);
}

/** What, who and why: `ClearFaults by uid 0: the GPU was replaced`. */
function wordOf({ method, uid, reason }: AuditEntry): string {
  const why = reason.trim() === "" ? "" : `: ${truncate(reason, REASON_SHOWN_MAX)}`;
  return `${method} by uid ${uid}${why}`;
}
