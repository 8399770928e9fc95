import { ApiError } from "../errors.ts";
import { MAX_MS } from "../limits.ts";
import { type ListerWatcher, resourceKey } from "../resource/types.ts";
import { processSystem } from "../system.ts";
import { reportCallbackFault, reportWatchFault } from "./console-report.ts";
import type { Delta } from "./delta-queue.ts";
import type { HandlerRegistration, ResourceEventHandler } from "./event-handler.ts";
import { type CallbackFault, shielded } from "./faults.ts";
import { HandlerRunner } from "./handler-runner.ts";
import { Indexer, type Indexers, type Lister } from "./indexer.ts";
import { Latch } from "./latch.ts";
import { type ObjectAccess, ObjectCache } from "./object-cache.ts";
import { Reflector, type ReflectorFault, type ReflectorRuntime, type ReflectorSink } from "./reflector.ts";

export interface HandlerOptions {
  /** So often the handler is told what is there once more. Default: the informer's. 0: never; else 1 s to 24 days. */
  readonly resyncMs?: number;
}

export interface InformerOptions {
  /** For handlers that do not say. Default: 0, never. */
  readonly resyncMs?: number;
  /** A list or watch ended with an error; the informer goes on by itself. Default: a line on the console's stderr. */
  readonly onWatchError?: (fault: ReflectorFault) => unknown;
  /** A handler, index function or transform failed. Default: a line on the console's stderr. */
  readonly onCallbackError?: (fault: CallbackFault) => unknown;
}

/**
 * A cache of one kind of object, kept at the server's state, that any number of handlers are told of. What handlers
 * are promised stands at ResourceEventHandler.
 *
 * Promises: after the last fault the cache has the server's state within one maximum backoff, 30 s (see Reflector); it
 * is changed before handlers are told; no fault of the server, of a handler or of a hook ends it or becomes an
 * unhandled rejection.
 */
export interface SharedInformer<T> extends AsyncDisposable {
  /** Empty before the first list; keeps the last state after the stop. */
  readonly lister: Lister<T>;
  /** Whether the cache has had its first list. Handlers have a hasSynced of their own. */
  readonly hasSynced: boolean;
  /** The version up to which the cache knows everything; empty before the first list. */
  readonly lastSyncResourceVersion: string;
  readonly isStopped: boolean;
  /** Rejects with the signal's reason, and where the informer is stopped before. */
  waitForSync(signal?: AbortSignal): Promise<void>;
  /** At any time; one that comes late is told first what is there. Throws FAILED_PRECONDITION after the stop. */
  addEventHandler(handler: ResourceEventHandler<T>, options?: HandlerOptions): HandlerRegistration;
  /** At any time. Throws INVALID_ARGUMENT where a name is taken. */
  addIndexers(indexers: Indexers<T>): void;
  /**
   * Makes the object that is kept and told, for example without what nobody here reads; the object that came must not
   * be changed. Throws FAILED_PRECONDITION after the start.
   */
  setTransform(transform: (object: T) => T): void;
  /** A second start does nothing. Throws FAILED_PRECONDITION after the stop: that is for good. */
  start(): void;
  /**
   * At once no handler is called any more; resolves when list and watch have ended as well. A call of a handler that is
   * under way goes on, and its registration's `ended` says when it has finished. Closing the connection on this side
   * stops the informer too, for nothing could come any more.
   */
  stop(): Promise<void>;
}

const RESYNC_MIN_MS = 1_000;

export function createSharedInformer<T>(
  source: ListerWatcher<T>,
  access: ObjectAccess<T>,
  options: InformerOptions = {},
  runtime: ReflectorRuntime = processSystem,
): SharedInformer<T> {
  return new Informer(source, access, options, runtime);
}

class Informer<T> implements SharedInformer<T> {
  readonly #indexer: Indexer<T>;
  readonly #cache: ObjectCache<T>;
  readonly #reflector: Reflector<T>;
  readonly #access: ObjectAccess<T>;
  readonly #runtime: ReflectorRuntime;
  readonly #onFault: (fault: Omit<CallbackFault, "kind">) => void;
  readonly #resyncMs: number;
  /** With the period of the resync of each. */
  readonly #runners = new Map<HandlerRunner<T>, number>();
  readonly #synced = new Latch();
  readonly #stopping = new AbortController();
  #transform: (object: T) => T = (object) => object;
  #running: Promise<void> | undefined;

  constructor(source: ListerWatcher<T>, access: ObjectAccess<T>, options: InformerOptions, runtime: ReflectorRuntime) {
    const { kind } = access;
    const onCallbackError = shielded(options.onCallbackError ?? reportCallbackFault);
    const onFault = shielded(options.onWatchError ?? reportWatchFault);
    this.#access = access;
    this.#runtime = runtime;
    this.#resyncMs = checkResync(options.resyncMs ?? 0);
    this.#onFault = (fault) => onCallbackError({ kind, ...fault });
    this.#indexer = new Indexer((error, key) => this.#onFault({ during: "index", key, error }));
    this.#cache = new ObjectCache(access, this.#indexer, (object) => this.#transformed(object));
    const { clock, scheduler } = runtime;
    const random = () => runtime.random();
    this.#reflector = new Reflector({ kind, source, sink: this.#createSink(), clock, scheduler, random, onFault });
  }

  get lister(): Lister<T> {
    return this.#indexer;
  }

  get hasSynced(): boolean {
    return this.#synced.isSet;
  }

  get lastSyncResourceVersion(): string {
    return this.#cache.resourceVersion;
  }

  get isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  waitForSync(signal?: AbortSignal): Promise<void> {
    return this.#synced.wait(signal);
  }

  addIndexers(indexers: Indexers<T>): void {
    this.#indexer.addIndexers(indexers);
  }

  setTransform(transform: (object: T) => T): void {
    if (this.#running !== undefined) {
      throw new ApiError("FAILED_PRECONDITION", "the informer was started: objects came untransformed already");
    }
    this.#transform = transform;
  }

  addEventHandler(handler: ResourceEventHandler<T>, options: HandlerOptions = {}): HandlerRegistration {
    this.#refuseStopped("takes no handlers");
    const resyncMs = checkResync(options.resyncMs ?? this.#resyncMs);
    const { clock, scheduler } = this.#runtime;
    const onRemove = () => void this.#runners.delete(runner);
    const runner = new HandlerRunner(handler, { clock, scheduler, onFault: this.#onFault, onRemove });
    this.#runners.set(runner, resyncMs);
    runner.push(this.#all(toInitial));
    if (this.hasSynced) runner.listed();
    if (this.#running !== undefined) this.#startResync(runner, resyncMs);
    return runner;
  }

  start(): void {
    this.#refuseStopped("cannot be started again");
    if (this.#running !== undefined) return;
    this.#running = this.#reflector.run(this.#stopping.signal).then(() => this.#end());
    for (const [runner, resyncMs] of this.#runners) this.#startResync(runner, resyncMs);
  }

  async stop(): Promise<void> {
    this.#end();
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #end(): void {
    this.#stopping.abort();
    for (const runner of [...this.#runners.keys()]) runner.remove();
    this.#synced.fail(new ApiError("CANCELLED", "the informer was stopped before it had synced"));
  }

  #createSink(): ReflectorSink<T> {
    const cache = this.#cache;
    return {
      replace: (list) => {
        this.#distribute(cache.replace(list));
        this.#synced.set();
        for (const runner of this.#runners.keys()) runner.listed();
      },
      apply: (event, opening) => this.#distribute(cache.apply(event, opening)),
      holds: (object) => cache.holds(object),
      get resourceVersion() {
        return cache.resourceVersion;
      },
    };
  }

  #distribute(deltas: readonly Delta<T>[]): void {
    if (deltas.length === 0) return;
    for (const runner of this.#runners.keys()) runner.push(deltas);
  }

  #startResync(runner: HandlerRunner<T>, periodMs: number): void {
    if (periodMs > 0) runner.resyncEvery(periodMs, () => this.#all(toSync));
  }

  #all(toDelta: (key: string, object: T) => Delta<T>): readonly Delta<T>[] {
    return [...this.#indexer.entries()].map(([key, object]) => toDelta(key, object));
  }

  #transformed(object: T): T {
    try {
      return this.#transform(object);
    } catch (error) {
      this.#onFault({ during: "transform", key: resourceKey(this.#access.nameOf(object)), error });
      return object;
    }
  }

  #refuseStopped(what: string): void {
    if (this.isStopped) throw new ApiError("FAILED_PRECONDITION", `an informer that was stopped ${what}`);
  }
}

const toInitial = <T>(key: string, object: T): Delta<T> => ({ type: "Added", key, object, isInInitialList: true });
const toSync = <T>(key: string, object: T): Delta<T> => ({ type: "Sync", key, object });

function checkResync(resyncMs: number): number {
  if (resyncMs === 0 || (resyncMs >= RESYNC_MIN_MS && resyncMs <= MAX_MS)) return resyncMs;
  const limits = `0 for none, or ${RESYNC_MIN_MS} to ${MAX_MS}`;
  throw new ApiError("INVALID_ARGUMENT", `resyncMs is ${resyncMs}: it must be ${limits}`);
}
