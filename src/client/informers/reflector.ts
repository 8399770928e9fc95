import { ApiError, isConnectionClosed, isExpired, isResourceExhausted, isUnavailable } from "../errors.ts";
import type { ListerWatcher, ResourceList, WatchEvent } from "../resource/types.ts";
import { sleep } from "../sleep.ts";
import type { ClientSystem } from "../system.ts";
import { ReflectorBackoff } from "./reflector-backoff.ts";

/** What an informer takes from the world around it. */
export type ReflectorRuntime = Pick<ClientSystem, "clock" | "scheduler" | "random">;

/** Where what was read goes. What it throws counts as a fault of the list or watch it came from. */
export interface ReflectorSink<T> {
  replace(list: ResourceList<T>): void;
  /** `opening`: the watch followed a list and has brought ADDED alone, which may be what is there, in any order. */
  apply(event: WatchEvent<T>, opening: boolean): void;
  /** Whether there is an object of that name, in whatever state. */
  holds(object: T): boolean;
  /** The version after which a watch goes on. */
  readonly resourceVersion: string;
}

/** A list or a watch ended with an error. The reflector goes on by itself. */
export interface ReflectorFault {
  /** "Gpu" */
  readonly kind: string;
  readonly during: "list" | "watch";
  /** An ApiError, unless the source is one of your own. */
  readonly error: unknown;
  /** When the next try starts; undefined where it would be in vain, because this side has closed the connection. */
  readonly retryInMs: number | undefined;
}

export interface ReflectorOptions<T> extends ReflectorRuntime {
  readonly kind: string;
  readonly source: ListerWatcher<T>;
  readonly sink: ReflectorSink<T>;
  /** Must not throw. */
  readonly onFault: (fault: ReflectorFault) => void;
}

/** A server that takes a call and never answers is left after this. */
const LIST_TIMEOUT_MS = 30_000;
/** A watch is renewed after this and up to as much again: nothing else would find out that a silent stream is dead. */
const WATCH_MIN_MS = 300_000;
/** A watch that lived so long did work. */
const WORKED_MS = 1_000;

type Step = "list" | "watch";

type Outcome =
  | { readonly did: "list"; readonly failed?: Failure }
  | {
      readonly did: "watch";
      readonly failed?: Failure;
      readonly broughtNews: boolean;
      readonly livedMs: number;
      /** A watch can go on after the last event of this one. */
      readonly resumable: boolean;
    };

interface Failure {
  readonly error: unknown;
}

/**
 * Keeps a sink at the state of a server: lists, watches from the version of the list, goes on after the last event
 * when a watch ends, and lists again when that is not possible.
 *
 * Promises: list and watch never overlap; after the last fault the sink has the server's state within one maximum
 * backoff (30 s) and the time that the calls take. A call that is never answered is a fault until it is given up: a
 * list after 30 s, a silent watch after 5 to 10 min, or when the connection's keepalive finds out.
 *
 * Some servers have no history and begin each watch with what is there, in any order and without a word on what was
 * deleted; every server does so after version 0. A part of that says nothing about the rest. So a watch is only gone
 * on from where its first event was a change of what had been listed: else a list follows it. Does not promise, on a
 * server without a history: to notice before the watch ends, after 5 to 10 min at the latest, what was deleted between
 * a list and the watch after it.
 */
export class Reflector<T> {
  readonly #options: ReflectorOptions<T>;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
  }

  /** Until the signal is aborted or the connection was closed; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { kind, clock, scheduler, random, onFault } = this.#options;
    const backoff = new ReflectorBackoff(clock, random);
    let step: Step = "list";
    let listedSinceWait = false;
    /** The step before was a list. */
    let listed = false;
    while (!signal.aborted) {
      const outcome: Outcome = step === "list" ? await this.#list(signal) : await this.#watch(signal, listed);
      if (signal.aborted) return;
      const { did, failed }: Outcome = outcome;
      if (failed !== undefined && isConnectionClosed(failed.error)) {
        onFault({ kind, during: did, error: failed.error, retryInMs: undefined });
        return;
      }
      listed = did === "list";
      if (listed && failed === undefined) listedSinceWait = true;
      const next = nextStep(outcome, listedSinceWait);
      const waitMs = next.wait ? backoff.next() : 0;
      if (failed !== undefined) onFault({ kind, during: did, error: failed.error, retryInMs: waitMs });
      step = next.step;
      if (!next.wait) continue;
      await sleep(scheduler, waitMs, signal);
      listedSinceWait = false;
    }
  }

  async #list(signal: AbortSignal): Promise<Outcome> {
    const { source, sink } = this.#options;
    try {
      const list = await source.list({ signal, timeoutMs: LIST_TIMEOUT_MS });
      if (!signal.aborted) sink.replace(list);
      return { did: "list" };
    } catch (error) {
      return { did: "list", failed: { error } };
    }
  }

  async #watch(signal: AbortSignal, listed: boolean): Promise<Outcome> {
    const { source, sink, clock, scheduler, random } = this.#options;
    const startedMs = clock.monotonicMs();
    const lifeMs = WATCH_MIN_MS * (1 + random());
    const { resourceVersion } = sink;
    const ending = new AbortController();
    const end = () => ending.abort();
    signal.addEventListener("abort", end);
    const renewal = scheduler.setTimer(end, lifeMs);
    /** What the first event says of it. */
    let resumable: boolean | undefined;
    let opening = listed;
    const outcome = (): Outcome => ({
      did: "watch",
      broughtNews: sink.resourceVersion !== resourceVersion,
      livedMs: clock.monotonicMs() - startedMs,
      // One that brought nothing has shown nothing: it is what the one before it was.
      resumable: resumable ?? !listed,
    });
    try {
      for await (const event of source.watch({ signal: ending.signal, resourceVersion })) {
        // What came too late is sent again by the next watch.
        if (ending.signal.aborted) break;
        const added = event.type === "ADDED";
        if (added && !listed && sink.holds(event.object)) throw notResumed(resourceVersion);
        resumable ??= !added;
        opening &&= added;
        sink.apply(event, opening);
      }
      return outcome();
    } catch (error) {
      return ending.signal.aborted ? outcome() : { ...outcome(), failed: { error } };
    } finally {
      renewal[Symbol.dispose]();
      signal.removeEventListener("abort", end);
    }
  }
}

/** What to do next, and whether to wait before it. */
function nextStep(outcome: Outcome, listedSinceWait: boolean): { readonly step: Step; readonly wait: boolean } {
  const { failed } = outcome;
  if (outcome.did === "list") return { step: failed === undefined ? "watch" : "list", wait: failed !== undefined };
  const lived = outcome.livedMs >= WORKED_MS;
  const again: Step = outcome.resumable ? "watch" : "list";
  // A list that is not free has to wait, too, where a watch ends at once and again.
  const free = outcome.broughtNews && (again === "watch" || !listedSinceWait);
  if (failed === undefined) return { step: again, wait: !lived && !free };
  // One list is free: else two backoffs could lie between a restart of the server and the state after it.
  if (isExpired(failed.error)) return { step: "list", wait: listedSinceWait && !lived };
  // The server, or this connection to it, was gone for a moment; its history may still have what was missed.
  if (isUnavailable(failed.error) || isResourceExhausted(failed.error)) return { step: again, wait: true };
  return { step: "list", wait: true };
}

function notResumed(version: string): ApiError {
  return new ApiError(
    "OUT_OF_RANGE",
    `the watch began with what is there instead of what came after version ${version}`,
  );
}
