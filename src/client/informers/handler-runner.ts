import type { Clock, Scheduler } from "../../base/clock.ts";
import { ApiError } from "../errors.ts";
import { type Delta, DeltaQueue } from "./delta-queue.ts";
import type { HandlerRegistration, ResourceEventHandler } from "./event-handler.ts";
import { type CallbackFault, isPromiseLike } from "./faults.ts";
import { Latch } from "./latch.ts";

/** So long a handler that never waits is called on end; then everything else gets a turn. */
const TURN_MS = 10;

export interface HandlerHost {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** Must not throw. */
  readonly onFault: (fault: Omit<CallbackFault, "kind">) => void;
  /** The handler was removed. */
  readonly onRemove: () => void;
}

/** One handler and what it has not been told yet. Calls it one change at a time, never from within push. */
export class HandlerRunner<T> implements HandlerRegistration {
  readonly #handler: ResourceEventHandler<T>;
  readonly #host: HandlerHost;
  readonly #queue = new DeltaQueue<T>();
  readonly #synced = new Latch();
  readonly #ended = new Latch();
  #resync: Disposable | undefined;
  #listed = false;
  #running = false;
  #tellingInitial = false;
  #removed = false;

  constructor(handler: ResourceEventHandler<T>, host: HandlerHost) {
    this.#handler = handler;
    this.#host = host;
  }

  get hasSynced(): boolean {
    return this.#synced.isSet;
  }

  get pending(): number {
    return this.#queue.size;
  }

  get ended(): Promise<void> {
    return this.#ended.wait();
  }

  waitForSync(signal?: AbortSignal): Promise<void> {
    return this.#synced.wait(signal);
  }

  push(deltas: readonly Delta<T>[]): void {
    if (this.#removed) return;
    for (const delta of deltas) this.#queue.push(delta);
    this.#checkSync();
    if (this.#queue.size > 0 && !this.#running) void this.#run();
  }

  /** The whole first list was pushed. */
  listed(): void {
    this.#listed = true;
    this.#checkSync();
  }

  /** Shows every so many milliseconds what is there then. */
  resyncEvery(periodMs: number, objects: () => readonly Delta<T>[]): void {
    const again = () => {
      this.#resync = this.#host.scheduler.setTimer(() => {
        this.push(objects());
        again();
      }, periodMs);
    };
    if (!this.#removed) again();
  }

  remove(): void {
    if (this.#removed) return;
    this.#removed = true;
    this.#queue.clear();
    this.#resync?.[Symbol.dispose]();
    this.#synced.fail(
      new ApiError("CANCELLED", "the handler was removed, or its informer stopped, before it had synced"),
    );
    this.#host.onRemove();
    if (!this.#running) this.#ended.set();
  }

  [Symbol.dispose](): void {
    this.remove();
  }

  async #run(): Promise<void> {
    const { clock, scheduler } = this.#host;
    this.#running = true;
    await Promise.resolve();
    let turnMs = clock.monotonicMs();
    for (let delta = this.#queue.pop(); delta !== undefined; delta = this.#queue.pop()) {
      this.#tellingInitial = delta.type === "Added" && delta.isInInitialList;
      await this.#tell(delta);
      this.#tellingInitial = false;
      this.#checkSync();
      if (clock.monotonicMs() - turnMs < TURN_MS) continue;
      await new Promise<void>((resolve) => scheduler.defer(resolve));
      turnMs = clock.monotonicMs();
    }
    this.#running = false;
    if (this.#removed) this.#ended.set();
  }

  async #tell(delta: Delta<T>): Promise<void> {
    const during = delta.type === "Added" ? "onAdd" : delta.type === "Deleted" ? "onDelete" : "onUpdate";
    try {
      const result = call(this.#handler, delta);
      if (isPromiseLike(result)) await result;
    } catch (error) {
      this.#host.onFault({ during, key: delta.key, error });
    }
  }

  #checkSync(): void {
    if (this.#listed && this.#queue.initialPending === 0 && !this.#tellingInitial) this.#synced.set();
  }
}

function call<T>(handler: ResourceEventHandler<T>, delta: Delta<T>): unknown {
  switch (delta.type) {
    case "Added":
      return handler.onAdd?.(delta.object, delta.isInInitialList);
    case "Updated":
      return handler.onUpdate?.(delta.old, delta.object);
    case "Sync":
      return handler.onUpdate?.(delta.object, delta.object);
    case "Deleted":
      return handler.onDelete?.(delta.object);
  }
}
