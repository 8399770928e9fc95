import type { Scheduler } from "../base/clock.ts";
import { resourceExhausted, StatusError } from "../base/status-error.ts";
import type { GpuObject } from "./gpu-object.ts";
import type { History } from "./history.ts";
import { WATCHERS_MAX } from "./limits.ts";
import type { StoreObserver } from "./types.ts";

/** Where a watcher's messages go: one consumer's stream. */
export interface WatchSink {
  /** Takes one encoded WatchGpusResponse. False: taken, but send no more until the watcher is told to resume. */
  send(message: Uint8Array): boolean;
  /** Nothing follows. */
  end(status: StatusError): void;
}

/** The stream's handle on its watcher. */
export interface Watcher extends Disposable {
  /** The sink takes messages again. */
  resume(): void;
}

/** How many watchers are served before other work gets its turn: at some 10 µs each, a few milliseconds. */
const WATCHERS_PER_TURN = 256;

/** A watcher is in exactly one of these states; `caught-up` and `blocked` each have a set in the hub. */
type State = "caught-up" | "sending" | "blocked" | "ended";

class HubWatcher {
  state: State = "sending";
  /** The version of the last event that was sent, or where the watch began. */
  cursor: number;
  /** What is still to be shown as ADDED, before the events. */
  initial: readonly GpuObject[];
  shown = 0;

  constructor(
    readonly sink: WatchSink,
    cursor: number,
    initial: readonly GpuObject[],
  ) {
    this.cursor = cursor;
    this.initial = initial;
  }
}

/**
 * Serves every watch from the shared history.
 *
 * A watcher holds a cursor and nothing else: a slow one costs no memory and slows no other. When the history has moved
 * past the cursor of one that is blocked, it is ended with OUT_OF_RANGE; no event is ever left out.
 */
export class WatchHub {
  readonly #history: History;
  readonly #scheduler: Scheduler;
  readonly #observer: StoreObserver;
  /** In the order in which they were last served, so their cursors rise: the ones in need come first. */
  readonly #caughtUp = new Set<HubWatcher>();
  readonly #blocked = new Set<HubWatcher>();
  #turnPlanned = false;

  constructor(history: History, scheduler: Scheduler, observer: StoreObserver) {
    this.#history = history;
    this.#scheduler = scheduler;
    this.#observer = observer;
  }

  get size(): number {
    return this.#caughtUp.size + this.#blocked.size;
  }

  /**
   * Adds a watcher that shows `initial` and then every event after `version`. To be called in one step with the read
   * of the snapshot.
   */
  add(sink: WatchSink, version: number, initial: readonly GpuObject[]): Watcher {
    if (this.size >= WATCHERS_MAX) throw resourceExhausted("watch", `more than ${WATCHERS_MAX} streams are open`);
    const watcher = new HubWatcher(sink, version, initial);
    this.#serve(watcher);
    return {
      resume: () => {
        if (this.#blocked.delete(watcher)) this.#serve(watcher);
      },
      [Symbol.dispose]: () => this.#leave(watcher),
    };
  }

  /** There are new events. They go out in a turn of their own, so that a writer's reply waits for no watcher. */
  notify(): void {
    if (this.#turnPlanned || this.size === 0) return;
    this.#turnPlanned = true;
    this.#scheduler.defer(() => this.#turn());
  }

  #turn(): void {
    this.#turnPlanned = false;
    try {
      this.#endOvertaken();
      this.#serveCaughtUp();
    } catch (error) {
      // One sink's fault, which the process reports: all other watchers get a turn of their own.
      this.notify();
      throw error;
    }
  }

  #serveCaughtUp(): void {
    let served = 0;
    for (const watcher of this.#caughtUp) {
      if (watcher.cursor === this.#history.last) break;
      if (served++ === WATCHERS_PER_TURN) {
        this.notify();
        break;
      }
      this.#caughtUp.delete(watcher);
      this.#serve(watcher);
    }
  }

  /** The caller has taken the watcher out of its set. A sink that throws loses its own watch, and is told so. */
  #serve(watcher: HubWatcher): void {
    try {
      this.#pump(watcher);
    } catch (error) {
      this.#leave(watcher);
      watcher.sink.end(new StatusError("INTERNAL", "internal error"));
      throw error;
    }
  }

  /** Sends until the sink says no or there is nothing more. */
  #pump(watcher: HubWatcher): void {
    watcher.state = "sending";
    while (watcher.state === "sending") {
      if (watcher.cursor < this.#history.oldestCursor) {
        this.#expire(watcher);
        return;
      }
      const object = watcher.initial[watcher.shown];
      const event = object === undefined ? this.#history.after(watcher.cursor) : undefined;
      if (object === undefined && event === undefined) {
        this.#park(watcher, "caught-up");
        return;
      }
      const takesMore = object !== undefined ? this.#sendInitial(watcher, object) : this.#sendNext(watcher, event);
      // The sink may have ended the watcher from within send.
      if (!takesMore && watcher.state === "sending") this.#park(watcher, "blocked");
    }
  }

  #sendInitial(watcher: HubWatcher, object: GpuObject): boolean {
    watcher.shown++;
    if (watcher.shown === watcher.initial.length) {
      watcher.initial = [];
      watcher.shown = 0;
    }
    this.#observer.eventSent("ADDED");
    return watcher.sink.send(object.added);
  }

  #sendNext(watcher: HubWatcher, event: ReturnType<History["after"]>): boolean {
    if (event === undefined) return true;
    watcher.cursor = event.version;
    this.#observer.eventSent(event.type);
    return watcher.sink.send(event.bytes);
  }

  #park(watcher: HubWatcher, state: "caught-up" | "blocked"): void {
    watcher.state = state;
    (state === "blocked" ? this.#blocked : this.#caughtUp).add(watcher);
  }

  #endOvertaken(): void {
    for (const watcher of this.#blocked) {
      if (watcher.cursor < this.#history.oldestCursor) this.#expire(watcher);
    }
  }

  #expire(watcher: HubWatcher): void {
    this.#leave(watcher);
    this.#observer.watcherExpired();
    watcher.sink.end(expired(watcher.cursor, this.#history));
  }

  #leave(watcher: HubWatcher): void {
    watcher.state = "ended";
    watcher.initial = [];
    this.#caughtUp.delete(watcher);
    this.#blocked.delete(watcher);
  }
}

/** The counterpart of HTTP 410: the consumer has to list again. */
export function expired(version: bigint | number, history: History): StatusError {
  const window = `the history holds what follows version ${history.oldestCursor} up to ${history.last}`;
  return new StatusError("OUT_OF_RANGE", `resource version ${version} has expired: ${window}; list again`);
}
