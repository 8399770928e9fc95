import type { Scheduler } from "../base/clock.ts";

/** Resolves after `ms`, or at once when the signal is aborted; true where the whole time passed. Leaves no timer. */
export function sleep(scheduler: Scheduler, ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (slept: boolean) => {
      timer[Symbol.dispose]();
      signal.removeEventListener("abort", wake);
      resolve(slept);
    };
    const wake = () => end(false);
    const timer = scheduler.setTimer(() => end(true), ms);
    signal.addEventListener("abort", wake);
  });
}
