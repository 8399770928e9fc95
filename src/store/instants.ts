import type { Clock } from "../base/clock.ts";
import { TRANSITION_TIME_AHEAD_MAX_SECONDS, TRANSITION_TIME_MIN_SECONDS } from "./limits.ts";
import type { Instant } from "./types.ts";

export function instantNow(clock: Clock): Instant {
  const us = clock.wallUs();
  const seconds = Math.floor(us / 1_000_000);
  return Object.freeze({ seconds: BigInt(seconds), nanos: (us - seconds * 1_000_000) * 1_000 });
}

export function compareInstants(a: Instant, b: Instant): number {
  if (a.seconds !== b.seconds) return a.seconds < b.seconds ? -1 : 1;
  return a.nanos - b.nanos;
}

export function laterOf(a: Instant, b: Instant | undefined): Instant {
  return b !== undefined && compareInstants(b, a) > 0 ? b : a;
}

/** Whether a provider's own transition time can be believed. */
export function isPlausible(at: Instant, now: Instant): boolean {
  return (
    at.nanos >= 0 &&
    at.nanos < 1_000_000_000 &&
    at.seconds >= TRANSITION_TIME_MIN_SECONDS &&
    at.seconds <= now.seconds + TRANSITION_TIME_AHEAD_MAX_SECONDS
  );
}
