import { formatAge } from "../base/age.ts";
import { setText } from "./dom.ts";

/** The server's clock: the browser's own may be off by any amount. */
export class ServerClock {
  #aheadMs = 0;

  set(time: string): void {
    const serverMs = Date.parse(time);
    if (Number.isFinite(serverMs)) this.#aheadMs = serverMs - Date.now();
  }

  nowMs(): number {
    return Date.now() + this.#aheadMs;
  }
}

/** A `time` element that says how long ago; refreshAges keeps it right. */
export function showAge(element: HTMLTimeElement, since: string | undefined, clock: ServerClock): void {
  const known = since !== undefined && Number.isFinite(Date.parse(since));
  element.dateTime = known ? since : "";
  element.title = known ? new Date(since).toLocaleString() : "";
  refreshAge(element, clock);
}

export function refreshAges(clock: ServerClock): void {
  for (const element of document.querySelectorAll("time")) refreshAge(element, clock);
}

function refreshAge(element: HTMLTimeElement, clock: ServerClock): void {
  setText(element, element.dateTime === "" ? "–" : formatAge(clock.nowMs() - Date.parse(element.dateTime)));
}
