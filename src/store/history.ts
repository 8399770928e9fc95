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

/** Bytes of events lie together in pieces of this size, or in one of their own where they are longer. */
const SEGMENT_BYTES = 256 * 1024;

/**
 * An event that is remembered. Its bytes are a copy: tens of thousands of arrays would make the runtime's heap, and its
 * collections, several times as large as what they hold.
 */
class RememberedEvent implements HistoryEvent {
  readonly version: number;
  readonly type: EventType;
  readonly key: string;
  readonly previous: number;
  readonly atMs: number;
  readonly length: number;
  readonly #segment: Uint8Array;
  readonly #start: number;

  constructor(event: HistoryEvent, segment: Uint8Array, start: number) {
    this.version = event.version;
    this.type = event.type;
    this.key = event.key;
    this.previous = event.previous;
    this.atMs = event.atMs;
    this.length = event.bytes.length;
    this.#segment = segment;
    this.#start = start;
    segment.set(event.bytes, start);
  }

  get bytes(): Uint8Array {
    return this.#segment.subarray(this.#start, this.#start + this.length);
  }
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
  readonly #ring: (RememberedEvent | undefined)[];
  /** The version of the latest event, or the one the counter started at. */
  #last: number;
  #count = 0;
  #bytes = 0;
  #segment = new Uint8Array(0);
  #segmentUsed = 0;

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
    this.#ring[event.version % this.#limits.events] = this.#remember(event);
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

  /** A segment goes when the last of its events is forgotten. */
  #remember(event: HistoryEvent): RememberedEvent {
    const { length } = event.bytes;
    if (this.#segmentUsed + length > this.#segment.length) {
      this.#segment = new Uint8Array(Math.max(SEGMENT_BYTES, length));
      this.#segmentUsed = 0;
    }
    const remembered = new RememberedEvent(event, this.#segment, this.#segmentUsed);
    this.#segmentUsed += length;
    return remembered;
  }

  #forgetOldest(): void {
    const slot = (this.oldestCursor + 1) % this.#limits.events;
    this.#bytes -= this.#ring[slot]?.length ?? 0;
    this.#ring[slot] = undefined;
    this.#count--;
  }
}
