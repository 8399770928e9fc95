/** Time as the program sees it; a parameter everywhere, so that tests can play hours in milliseconds. */
export interface Clock {
  /** Wall clock, whole microseconds since 1970. May leap in either direction. */
  wallUs(): number;
  /** Milliseconds from an arbitrary origin; never leaps. Leases, deadlines and durations use this one alone. */
  monotonicMs(): number;
}

/** Disposing a timer that has fired already does nothing. */
export interface Scheduler {
  /** Runs `task` once after `delayMs` (0 to 2^31-1). */
  setTimer(task: () => void, delayMs: number): Disposable;
  /** Runs `task` once, after the work that is queued now. */
  defer(task: () => void): void;
}

export const systemClock: Clock = {
  // Not performance.timeOrigin + now(): that sum does not follow a wall clock that is set while we run.
  wallUs: () => Date.now() * 1_000,
  monotonicMs: () => performance.now(),
};

export const systemScheduler: Scheduler = {
  setTimer(task, delayMs) {
    const timer = setTimeout(task, delayMs);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  defer(task) {
    setImmediate(task);
  },
};
