import type { CancelScope } from "./cancel-scope.ts";
import type { Clock, Scheduler } from "./clock.ts";
import { StatusError } from "./status-error.ts";

/**
 * The most callers that may wait at once. Every open call holds at most one place, and a server takes at most 4,096
 * connections; four calls in flight on each of them is more than a node's consumers ever have.
 */
export const LOCK_WAITERS_MAX = 16_384;

/** The longest delay a runtime timer takes. */
const TIMER_DELAY_MAX_MS = 2 ** 31 - 1;

interface Waiter {
  /** Runs the section, which settles the caller's promise. */
  run(): void;
}

/**
 * A readers-writer lock for sections of one JavaScript thread.
 *
 * Promises: sections run in the order in which they asked; a reader never passes a waiting writer; a writer may hold
 * the lock across awaits, and nobody else's section runs meanwhile; an uncontended section runs at once, in the
 * caller's own stack, and costs no promise; a wait ends with DEADLINE_EXCEEDED or CANCELLED when its scope does.
 *
 * Readers' sections are synchronous, so no other section can start while one runs: "many readers at once" needs no
 * counting here.
 */
export class RwLock {
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  /** In order of arrival; a Set because a wait that ends early leaves from the middle. */
  readonly #waiters = new Set<Waiter>();
  #writing = false;

  constructor(clock: Clock, scheduler: Scheduler) {
    this.#clock = clock;
    this.#scheduler = scheduler;
  }

  /** How many sections wait. */
  get waiting(): number {
    return this.#waiters.size;
  }

  read<T>(scope: CancelScope, section: () => T): T | Promise<T> {
    if (!this.#writing && this.#waiters.size === 0) return section();
    return this.#wait(scope, section);
  }

  /** The section may be asynchronous: the lock is held until its promise settles. */
  write<T>(scope: CancelScope, section: () => T | Promise<T>): T | Promise<T> {
    const exclusive = () => this.#runExclusive(section);
    if (this.#writing || this.#waiters.size > 0) return this.#wait(scope, exclusive);
    try {
      return exclusive();
    } finally {
      this.#runWaiters();
    }
  }

  #runExclusive<T>(section: () => T | Promise<T>): T | Promise<T> {
    this.#writing = true;
    let outcome: T | Promise<T> | undefined;
    try {
      outcome = section();
    } finally {
      if (!(outcome instanceof Promise)) this.#writing = false;
    }
    return outcome instanceof Promise ? this.#releaseAfter(outcome) : outcome;
  }

  async #releaseAfter<T>(outcome: Promise<T>): Promise<T> {
    try {
      return await outcome;
    } finally {
      this.#writing = false;
      this.#runWaiters();
    }
  }

  #runWaiters(): void {
    for (const waiter of this.#waiters) {
      if (this.#writing) return;
      this.#waiters.delete(waiter);
      waiter.run();
    }
  }

  #wait<T>(scope: CancelScope, section: () => T | Promise<T>): Promise<T> {
    if (this.#waiters.size >= LOCK_WAITERS_MAX) {
      throw new StatusError("RESOURCE_EXHAUSTED", `more than ${LOCK_WAITERS_MAX} calls wait for an update to finish`);
    }
    return new Promise<T>((resolve, reject) => {
      let timer: Disposable | undefined;
      const waiter: Waiter = {
        run: () => {
          timer?.[Symbol.dispose]();
          try {
            resolve(section());
          } catch (error) {
            reject(error);
          }
        },
      };
      const giveUp = (error: StatusError) => {
        timer?.[Symbol.dispose]();
        if (this.#waiters.delete(waiter)) reject(error);
      };
      this.#waiters.add(waiter);
      if (scope.deadlineMs !== undefined) {
        const delayMs = Math.min(Math.max(0, scope.deadlineMs - this.#clock.monotonicMs()), TIMER_DELAY_MAX_MS);
        const late = () => giveUp(new StatusError("DEADLINE_EXCEEDED", "the deadline passed while an update went on"));
        timer = this.#scheduler.setTimer(late, delayMs);
      }
      scope.onCancel(() => giveUp(new StatusError("CANCELLED", "the caller went away")));
    });
  }
}
