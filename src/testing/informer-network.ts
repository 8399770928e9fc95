import type { SimulatedTime } from "./simulated-time.ts";

/** One call over a network where each message takes its time and none overtakes another. */
export class SimulatedCall {
  readonly #time: SimulatedTime;
  readonly #latency: () => number;
  readonly #onEnd: () => void;
  readonly #timers = new Set<Disposable>();
  #busyUntilMs = 0;
  #ended = false;

  constructor(time: SimulatedTime, latency: () => number, onEnd: () => void) {
    this.#time = time;
    this.#latency = latency;
    this.#onEnd = onEnd;
  }

  /** One message: `task` runs when it has arrived, unless the call ends before. */
  send(task: () => void): void {
    this.#busyUntilMs = Math.max(this.#busyUntilMs, this.#time.monotonicMs() + this.#latency());
    this.after(this.#busyUntilMs - this.#time.monotonicMs(), task);
  }

  after(ms: number, task: () => void): void {
    if (this.#ended) return;
    const timer = this.#time.setTimer(() => {
      this.#timers.delete(timer);
      task();
    }, ms);
    this.#timers.add(timer);
  }

  /** True the first time. */
  end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    for (const timer of this.#timers) timer[Symbol.dispose]();
    this.#onEnd();
    return true;
  }
}

/** What has arrived and was not read; then how it ended. */
export class Mailbox<T> {
  readonly #items: T[] = [];
  #end: { readonly error: Error | undefined } | undefined;
  #wake: () => void = () => {};

  put(item: T): void {
    if (this.#end === undefined) this.#items.push(item);
    this.#wake();
  }

  /** The reader gets what is there first, unless it is dropped. */
  close(error: Error | undefined, drop = false): void {
    this.#end ??= { error };
    if (drop) this.#items.length = 0;
    this.#wake();
  }

  async *read(): AsyncGenerator<T> {
    while (true) {
      const item = this.#items.shift();
      if (item !== undefined) yield item;
      else if (this.#end?.error !== undefined) throw this.#end.error;
      else if (this.#end !== undefined) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
