import type { Clock } from "./clock.ts";

/** The clocks are read one after the other, in whole milliseconds; what differs by more is a clock that was set. */
const JITTER_MS = 100;

/**
 * Gives an instant of the monotonic clock as people read it, in milliseconds since 1970: the same every time it is
 * asked, until the wall clock leaps.
 */
export function createWallTimes(clock: Clock): (monotonicMs: number) => number {
  let heldMs = Number.NEGATIVE_INFINITY;
  return (monotonicMs) => {
    const apartMs = clock.wallUs() / 1_000 - clock.monotonicMs();
    if (Math.abs(apartMs - heldMs) > JITTER_MS) heldMs = apartMs;
    return Math.round(heldMs + monotonicMs);
  };
}
