import type { Message } from "@bufbuild/protobuf";
import { onAbort } from "../abort.ts";
import type { EventType } from "../resource/types.ts";

export interface LoggedEvent {
  readonly version: number;
  readonly type: EventType;
  readonly typeName: string;
  /** Belongs to the log: whoever hands it out copies it. */
  readonly object: Message;
}

/** How an open watch was ended from outside. */
export interface LogEnd {
  readonly error: Error;
}

/** The latest events of all kinds under one counter, and who waits for the next one. */
export class EventLog {
  readonly #eventsMax: number;
  readonly #waiting = new Set<() => void>();
  #events: LoggedEvent[] = [];
  #last: number;
  #end: LogEnd | undefined;

  constructor(firstVersion: number, eventsMax: number) {
    this.#last = firstVersion;
    this.#eventsMax = eventsMax;
  }

  /** The counter. */
  get last(): number {
    return this.#last;
  }

  /** A watch can go on from any version from here to `last`. */
  get oldestCursor(): number {
    return this.#last - this.#events.length;
  }

  /** Differs from the one that a watch saw when it began once the watches of that time were ended. */
  get end(): LogEnd | undefined {
    return this.#end;
  }

  append(event: Omit<LoggedEvent, "version">): void {
    this.#last++;
    this.#events.push({ ...event, version: this.#last });
    if (this.#events.length > this.#eventsMax) this.#events.shift();
    this.#wake();
  }

  /** The event right after this version, which must lie inside the log. */
  after(version: number): LoggedEvent | undefined {
    return this.#events[version - this.oldestCursor];
  }

  forget(): void {
    this.#events = [];
  }

  endWatches(error: Error): void {
    this.#end = { error };
    this.#wake();
  }

  /** Resolves at the next change, or when the signal is aborted. */
  changed(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        following?.[Symbol.dispose]();
        resolve();
      };
      this.#waiting.add(wake);
      const following = signal && onAbort(signal, wake);
      if (signal?.aborted === true) wake();
    });
  }

  /** How many watches wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
