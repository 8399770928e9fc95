import { truncate } from "../base/log-text.ts";
import { type ServerClock, showAge } from "./ages.ts";
import { byId, element, setText } from "./dom.ts";
import { hasWords } from "./fleet.ts";
import { createSoon } from "./soon.ts";
import type { GpuEvent } from "./types.ts";
import { adviceText, changeTexts, plain } from "./words.ts";

const URL = "/api/v1/events?limit=50";
/** Events come in bursts: one request for all of a burst. */
const SETTLE_MS = 300;
const RETRY_MS = 5_000;
/** The server itself gives up after 8 s. */
const REQUEST_MAX_MS = 15_000;
/** Of one event; the others are in the JSON. */
const LINES_MAX = 4;
/** A message may have 4,096 characters; the GPU itself shows all of them. */
const TEXT_MAX = 300;

/** What changed last, asked for anew whenever something has. */
export class EventList {
  readonly #clock: ServerClock;
  readonly #list = byId("event-list");
  readonly #nothing = byId("no-events");
  /** Undefined until they came for the first time. */
  #events: readonly GpuEvent[] | undefined;
  #failed = false;
  readonly #loadSoon = createSoon(() => this.#load());
  #answer = "";
  #text = "";

  constructor(clock: ServerClock) {
    this.#clock = clock;
  }

  refresh(): void {
    this.#loadSoon(SETTLE_MS);
  }

  /** Shows those of GPUs whose name, or of which the event, has these words. */
  filter(text: string): void {
    if (text === this.#text) return;
    this.#text = text;
    this.#render();
  }

  async #load(): Promise<void> {
    try {
      const response = await fetch(URL, { cache: "no-store", signal: AbortSignal.timeout(REQUEST_MAX_MS) });
      if (!response.ok) throw new Error(String(response.status));
      const text = await response.text();
      this.#failed = false;
      // Somebody may be reading: what is the same stays where it is.
      if (text === this.#answer) return this.#renderNothing();
      this.#events = (JSON.parse(text) as { events: readonly GpuEvent[] }).events;
      this.#answer = text;
      this.#render();
    } catch {
      // The connection's state says what is wrong; this list comes back with it.
      this.#failed = true;
      this.#renderNothing();
      this.#loadSoon(RETRY_MS);
    }
  }

  #render(): void {
    const words = this.#text.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = (this.#events ?? []).filter((event) => hasWords(textOf(event), words));
    this.#list.replaceChildren(...shown.map((event) => this.#item(event)));
    this.#renderNothing();
  }

  /** Why there are none, or not the latest ones. */
  #renderNothing(): void {
    this.#nothing.hidden = this.#list.childElementCount > 0 && !this.#failed;
    setText(this.#nothing, nothingText(this.#events?.length, this.#failed));
  }

  #item(event: GpuEvent): HTMLElement {
    const age = element("time", "age");
    showAge(age, event.time, this.#clock);
    const head = element("p", "event-head", element("bdi", "name", plain(event.gpu)), " ", titleOf(event), " ", age);
    const item = element("li", "", head);
    const lines = changeTexts(event.changes);
    for (const text of lines.slice(0, LINES_MAX)) item.append(lineOf(text));
    const more = lines.length > LINES_MAX ? "and more" : "";
    for (const text of [more, adviceText(event), plain(event.by)]) {
      if (text !== "") item.append(element("p", "event-note", element("bdi", "", truncate(text, TEXT_MAX))));
    }
    return item;
  }
}

/** `known`: how many there are without the filter; undefined before the first answer. */
function nothingText(known: number | undefined, failed: boolean): string {
  if (failed) return "The events cannot be loaded. The page keeps trying.";
  if (known === undefined) return "Waiting for the first answer of the server.";
  return known === 0 ? "None yet." : "No event matches.";
}

function titleOf({ type, whole }: GpuEvent): string {
  if (type === "ADDED") return "came";
  if (type === "DELETED") return "went";
  return whole ? "changed; what it was before is forgotten" : "changed";
}

function lineOf(text: string): HTMLElement {
  return element("p", "event-change", element("bdi", "", truncate(text, TEXT_MAX)));
}

function textOf({ gpu, changes, recommendedAction = "", by }: GpuEvent): string {
  return [
    gpu,
    recommendedAction,
    by,
    ...changes.map(({ type, reason, message }) => `${type} ${reason} ${message}`),
  ].join(" ");
}
