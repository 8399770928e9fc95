import type { Clock, Scheduler } from "../base/clock.ts";

/** Often enough to see a stall within a second; two timers a second cost nothing that can be measured. */
const SAMPLE_PERIOD_MS = 500;
/** The worst of the last minute is kept: at least one scrape, and the next, falls into it. */
const SAMPLES_KEPT = 120;

export interface EventLoopLag extends Disposable {
  /** By how much the latest sample came late. */
  readonly lastMs: number;
  /** The worst of the last minute. */
  readonly worstMs: number;
}

/** Measures by how much a timer comes late: the time for which the event loop served nobody. */
export function createEventLoopLag(clock: Clock, scheduler: Scheduler): EventLoopLag {
  const samples: number[] = [];
  let next = 0;
  let timer: Disposable;
  const wait = (): void => {
    const dueMs = clock.monotonicMs() + SAMPLE_PERIOD_MS;
    timer = scheduler.setTimer(() => {
      samples[next] = Math.max(0, clock.monotonicMs() - dueMs);
      next = (next + 1) % SAMPLES_KEPT;
      wait();
    }, SAMPLE_PERIOD_MS);
  };
  wait();
  return {
    get lastMs() {
      return samples[(next + SAMPLES_KEPT - 1) % SAMPLES_KEPT] ?? 0;
    },
    get worstMs() {
      return Math.max(0, ...samples);
    },
    [Symbol.dispose]: () => timer[Symbol.dispose](),
  };
}
