import { ApiError, type ErrorCode } from "../client/errors.ts";
import {
  type EventType,
  type ListerWatcher,
  type ListOptions,
  type ResourceList,
  resourceKey,
  type WatchEvent,
  type WatchOptions,
} from "../client/resource/types.ts";
import { Mailbox, SimulatedCall } from "./informer-network.ts";
import type { SimulatedTime } from "./simulated-time.ts";

/** One state of an object. Every state that ever was has its own `index`, over all lives of the server. */
export interface SimObject {
  readonly name: string;
  readonly resourceVersion: string;
  readonly index: number;
  /** The state is that of the deletion. */
  readonly deleted: boolean;
}

/** What a call that is yet to come meets. It is used up by the first call that fits. */
export type Trouble =
  | { readonly call: "list"; readonly what: "hangs" }
  /** Before or after the server has read its state. */
  | { readonly call: "list"; readonly what: "fails" | "breaks"; readonly code: ErrorCode }
  | { readonly call: "watch"; readonly what: "fails"; readonly code: ErrorCode }
  /** Ends with OK when it has brought so many of the events that it begins with. */
  | { readonly call: "watch"; readonly what: "ends"; readonly after: number };

interface Watch {
  readonly call: SimulatedCall;
  readonly mailbox: Mailbox<WatchEvent<SimObject>>;
  silent: boolean;
}

/**
 * A server that keeps the contract, on a network that does not: calls take time, are refused, cut, never answered. It
 * dies and comes back with other objects, and with its clock set anew.
 *
 * Or one without a history: each watch begins with what is there, in any order, and no version is refused. On that,
 * nothing is deleted between a list and the watch after it, since nobody could notice.
 */
export class SimulatedServer implements ListerWatcher<SimObject> {
  readonly #time: SimulatedTime;
  readonly #hasHistory: boolean;
  /** A list was made, and no call has come since. */
  #hasListed = false;
  /** How long a message takes now, in ms. */
  latency: () => number;
  /** Nobody listens until then; calls that are open go on. */
  refusingUntilMs = 0;
  readonly troubles: Trouble[] = [];
  /** When the last call that is never answered will have been given up. */
  unansweredUntilMs = 0;
  /** Those that were handed to lists: whoever waits for the end of the informer listens there. */
  readonly signals = new Set<AbortSignal>();
  readonly #calls = new Map<SimulatedCall, (code: ErrorCode) => void>();
  readonly #watches = new Set<Watch>();
  readonly #objects = new Map<string, SimObject>();
  #history: WatchEvent<SimObject>[] = [];
  /** The version before the oldest event of the history. */
  #oldest = 0;
  #version = 0;
  #states = 0;

  constructor(time: SimulatedTime, latency: () => number, hasHistory: boolean) {
    this.#time = time;
    this.#hasHistory = hasHistory;
    this.latency = latency;
    this.restart();
  }

  get objects(): ReadonlyMap<string, SimObject> {
    return this.#objects;
  }

  get openCalls(): number {
    return this.#calls.size;
  }

  /** A new life, without objects; versions start at the wall clock. */
  restart(): void {
    this.cut("UNAVAILABLE");
    this.#objects.clear();
    this.#history = [];
    this.#version = this.#time.wallUs();
    this.#oldest = this.#version;
  }

  put(name: string): void {
    const old = this.#objects.get(resourceKey(name));
    const object = this.#next(old?.name ?? name, false);
    this.#objects.set(resourceKey(name), object);
    this.#publish(old === undefined ? "ADDED" : "MODIFIED", object);
  }

  remove(name: string): void {
    const old = this.#objects.get(resourceKey(name));
    if (old === undefined || (this.#hasListed && !this.#hasHistory)) return;
    this.#objects.delete(resourceKey(name));
    this.#publish("DELETED", this.#next(old.name, true));
  }

  /** Every open call ends with that. */
  cut(code: ErrorCode): void {
    this.#hasListed = false;
    for (const end of [...this.#calls.values()]) end(code);
  }

  /** The history begins now; watches that are open are ended or not. */
  expire(endWatches: boolean): void {
    this.#history = [];
    this.#oldest = this.#version;
    if (endWatches) for (const { call } of [...this.#watches]) this.#end(call, "OUT_OF_RANGE");
  }

  endWatches(): void {
    for (const watch of this.#watches) this.#finish(watch);
  }

  /** The watches that are open bring nothing more; the caller has to cut the calls some time. */
  silence(): void {
    for (const watch of this.#watches) watch.silent = true;
  }

  list({ signal, timeoutMs }: ListOptions = {}): Promise<ResourceList<SimObject>> {
    if (signal !== undefined) this.signals.add(signal);
    return new Promise((resolve, reject) => {
      const call = this.#open(signal, (code) => reject(failure(code)));
      if (timeoutMs !== undefined) call.after(timeoutMs, () => this.#end(call, "DEADLINE_EXCEEDED"));
      const answer = (reply: ResourceList<SimObject>) => {
        if (call.end()) resolve(reply);
      };
      call.send(() => this.#answerList(call, timeoutMs, answer));
    });
  }

  async *watch({ signal, resourceVersion = "" }: WatchOptions = {}): AsyncGenerator<WatchEvent<SimObject>> {
    const mailbox = new Mailbox<WatchEvent<SimObject>>();
    const cancelled = () => signal?.aborted === true;
    const call = this.#open(signal, (code) => mailbox.close(cancelled() ? undefined : failure(code), cancelled()));
    const watch: Watch = { call, mailbox, silent: false };
    call.send(() => this.#startWatch(watch, Number(resourceVersion)));
    try {
      yield* mailbox.read();
    } finally {
      this.#watches.delete(watch);
      call.end();
    }
  }

  #answerList(call: SimulatedCall, timeoutMs = 0, answer: (reply: ResourceList<SimObject>) => void): void {
    const trouble = this.#take("list");
    const items = [...this.#objects.values()].map((object) => ({ ...object }));
    const reply = { items, resourceVersion: String(this.#version) };
    if (trouble?.what === "hangs") this.unansweredUntilMs = this.#time.monotonicMs() + timeoutMs;
    else if (this.#refusing) call.send(() => this.#end(call, "UNAVAILABLE"));
    else if (trouble?.what === "fails") this.#end(call, trouble.code);
    else if (trouble?.what === "breaks") call.send(() => this.#end(call, trouble.code));
    else {
      this.#hasListed = true;
      call.send(() => answer(reply));
    }
  }

  #startWatch(watch: Watch, after: number): void {
    this.#hasListed = false;
    const trouble = this.#take("watch");
    const refusal = this.#refuseWatch(trouble, after);
    if (refusal !== undefined) {
      watch.call.send(() => this.#end(watch.call, refusal));
      return;
    }
    const begin = this.#hasHistory
      ? this.#history.filter(({ object }) => Number(object.resourceVersion) > after)
      : [...this.#objects.values()].map((object) => ({ type: "ADDED", object }) as const);
    const count = trouble?.what === "ends" ? trouble.after : begin.length;
    for (const event of begin.slice(0, count)) this.#send(watch, event);
    if (trouble?.what === "ends") this.#finish(watch);
    else this.#watches.add(watch);
  }

  #refuseWatch(trouble: Trouble | undefined, after: number): ErrorCode | undefined {
    if (this.#refusing) return "UNAVAILABLE";
    if (trouble?.what === "fails") return trouble.code;
    const isKnown = !this.#hasHistory || (after >= this.#oldest && after <= this.#version);
    return isKnown ? undefined : "OUT_OF_RANGE";
  }

  #end(call: SimulatedCall, code: ErrorCode): void {
    this.#calls.get(call)?.(code);
  }

  #open(signal: AbortSignal | undefined, onEnd: (code: ErrorCode) => void): SimulatedCall {
    const cancel = () => end("CANCELLED");
    const call = new SimulatedCall(
      this.#time,
      () => this.latency(),
      () => {
        this.#calls.delete(call);
        signal?.removeEventListener("abort", cancel);
      },
    );
    const end = (code: ErrorCode) => {
      if (call.end()) onEnd(code);
    };
    this.#calls.set(call, end);
    signal?.addEventListener("abort", cancel);
    if (signal?.aborted === true) cancel();
    return call;
  }

  #send(watch: Watch, event: WatchEvent<SimObject>): void {
    // A copy, as every message on the wire is one.
    watch.call.send(() => watch.silent || watch.mailbox.put({ type: event.type, object: { ...event.object } }));
  }

  #finish(watch: Watch): void {
    this.#watches.delete(watch);
    watch.call.send(() => {
      watch.mailbox.close(undefined);
      watch.call.end();
    });
  }

  #publish(type: EventType, object: SimObject): void {
    const event = { type, object };
    this.#history.push(event);
    for (const watch of this.#watches) this.#send(watch, event);
  }

  #next(name: string, deleted: boolean): SimObject {
    this.#version++;
    return { name, resourceVersion: String(this.#version), index: this.#states++, deleted };
  }

  get #refusing(): boolean {
    return this.#time.monotonicMs() < this.refusingUntilMs;
  }

  #take(call: Trouble["call"]): Trouble | undefined {
    const index = this.troubles.findIndex((trouble) => trouble.call === call);
    return index === -1 ? undefined : this.troubles.splice(index, 1)[0];
  }
}

const failure = (code: ErrorCode): ApiError => new ApiError(code, "by chance", "Sim/Call");
