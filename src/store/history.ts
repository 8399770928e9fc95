import { assert } from "../base/assert.ts";
import type { EventType } from "./types.ts";

/** One change of one object, encoded for the wire. */
export interface HistoryEvent {
  readonly version: number;
  readonly type: EventType;
  /** The encoded WatchGpusResponse. */
  readonly bytes: Uint8Array;
  /** The GPU's name in lower case. */
  readonly key: string;
  /** The version of the same GPU's event before this one; 0 where it is its first. */
  readonly previous: number;
  /** Wall clock at the commit, milliseconds since 1970. */
  readonly atMs: number;
}

export interface HistoryLimits {
  readonly events: number;
  readonly bytes: number;
}

/**
 * The latest events, bounded by count and bytes; every watch reads from it by cursor.
 *
 * Each version has exactly one event, so an event's place follows from its version.
 */
export class History {
  readonly #limits: HistoryLimits;
  readonly #ring: (HistoryEvent | undefined)[];
  /** The version of the latest event, or the one the counter started at. */
  #last: number;
  #count = 0;
  #bytes = 0;

  constructor(start: number, limits: HistoryLimits) {
    assert(limits.events >= 1 && Number.isSafeInteger(start), "a history needs room for one event and a safe start");
    this.#limits = limits;
    this.#ring = new Array(limits.events).fill(undefined);
    this.#last = start;
  }

  get last(): number {
    return this.#last;
  }

  /** A watch can go on from any version from here to `last`; what came before is forgotten. */
  get oldestCursor(): number {
    return this.#last - this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  append(event: HistoryEvent): void {
    assert(event.version === this.#last + 1, "versions rise by one");
    if (this.#count === this.#limits.events) this.#forgetOldest();
    this.#ring[event.version % this.#limits.events] = event;
    this.#last = event.version;
    this.#count++;
    this.#bytes += event.bytes.length;
    while (this.#bytes > this.#limits.bytes && this.#count > 1) this.#forgetOldest();
  }

  /** The event right after this version; undefined where there is none yet. The version must not be forgotten. */
  after(version: number): HistoryEvent | undefined {
    assert(version >= this.oldestCursor && version <= this.#last, "the cursor lies inside the history");
    if (version === this.#last) return undefined;
    return this.#ring[(version + 1) % this.#limits.events];
  }

  /** The event of this version; undefined where it is forgotten, or has not happened yet. */
  at(version: number): HistoryEvent | undefined {
    if (version <= this.oldestCursor || version > this.#last) return undefined;
    return this.#ring[version % this.#limits.events];
  }

  #forgetOldest(): void {
    const slot = (this.oldestCursor + 1) % this.#limits.events;
    this.#bytes -= this.#ring[slot]?.bytes.length ?? 0;
    this.#ring[slot] = undefined;
    this.#count--;
  }
}
