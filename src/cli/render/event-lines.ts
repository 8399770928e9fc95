import { printable } from "../../base/log-text.ts";
import type { ConditionChange, Event } from "../../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { type Paint, paintStatus } from "./paint.ts";
import { cell } from "./table.ts";

/**
 * What an event changed, a line each; the first says most. Of a GPU that came, and of one whose state before is
 * forgotten, Ready stands for all.
 */
export function eventLines(event: Event, paint: Paint): readonly string[] {
  const lines = changeLines(event, paint);
  return event.by === "" ? lines : [...lines, paint.strong(`by an operator: ${printable(event.by)}`)];
}

function changeLines(event: Event, paint: Paint): readonly string[] {
  if (event.type === "DELETED") return ["the GPU is gone: nobody has registered it any more"];
  const action = event.recommendedAction === undefined ? [] : [actionLine(event)];
  const uuid = event.uuid === undefined ? [] : [`the UUID is ${cell(event.uuid)} now`];
  if (event.type === "ADDED" || event.whole) {
    const head = event.whole ? "what it was before is forgotten; " : "";
    const [ready, ...others] = event.changes;
    if (ready === undefined) return [`${head}nothing is reported yet`];
    const more =
      others.length === 0 ? "" : `, and ${others.length} more ${others.length === 1 ? "condition" : "conditions"}`;
    return [`${head}${changeLine(ready, paint)}${more}`, ...action];
  }
  return [...event.changes.map((change) => changeLine(change, paint)), ...action, ...uuid];
}

function changeLine({ type, previousStatus: from, status: to, reason }: ConditionChange, paint: Paint): string {
  const name = cell(type);
  const why = reason === "" ? "" : ` (${cell(reason)})`;
  if (to === "") return `${name} is gone, it was ${from}${why}`;
  // Only Ready's polarity is known here: what another type's status means is the server's to say.
  const shown = type === "Ready" ? paintStatus(paint, to)(to) : to;
  if (from === to) return `${name} is still ${shown}${why}`;
  return from === "" ? `${name} is ${shown}${why}` : `${name} ${from} -> ${shown}${why}`;
}

function actionLine({ previousAction, recommendedAction }: Event): string {
  const word = (action: string | undefined) => (action === undefined || action === "" ? "none" : cell(action));
  const before = previousAction === undefined || previousAction === "" ? "" : `${word(previousAction)} -> `;
  return `advice ${before}${word(recommendedAction)}`;
}
