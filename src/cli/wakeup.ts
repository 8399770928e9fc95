import type { Scheduler } from "../base/clock.ts";

/** A sleep that can be cut short. One sleeper at a time. */
export class Wakeup {
  readonly #scheduler: Scheduler;
  #isDue = false;
  #wake: (() => void) | undefined;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Ends the sleep that is under way, or else the next one before it begins. */
  up(): void {
    this.#isDue = true;
    this.#wake?.();
  }

  /** Resolves after so long, or when it is woken. */
  async sleep(ms: number): Promise<void> {
    if (!this.#isDue) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      using _timer = this.#scheduler.setTimer(resolve, ms);
      await promise;
      this.#wake = undefined;
    }
    this.#isDue = false;
  }
}
