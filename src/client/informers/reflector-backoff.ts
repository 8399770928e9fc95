import { type BackoffLimits, fullJitterMs } from "../../base/backoff.ts";
import type { Clock } from "../../base/clock.ts";

/** As client-go's reflector. */
export const REFLECTOR_BACKOFF: BackoffLimits = { firstMs: 800, maxMs: 30_000 };
const RESET_MS = 120_000;

/**
 * How long to wait before the next try: full jitter, so that clients whom one fault hit together do not come back
 * together. client-go adds as much again by chance instead, for waits of 0.8 to 1.6 and at last 30 to 60 seconds; here
 * no wait is longer than the maximum.
 */
export class ReflectorBackoff {
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;
  /** When the latest wait was over. */
  #waitedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Milliseconds, below the maximum. Starts small again after two minutes without a wait. */
  next(): number {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#waitedUntilMs >= RESET_MS) this.#failures = 0;
    this.#failures++;
    const ms = fullJitterMs(this.#failures, REFLECTOR_BACKOFF, this.#random);
    this.#waitedUntilMs = nowMs + ms;
    return ms;
  }
}
