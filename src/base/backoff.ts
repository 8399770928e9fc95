export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * How long to wait after so many failures in a row (from 1): doubling up to the maximum, and of that between a half and
 * the whole, so that many who failed at the same moment do not come back at the same moment. `random` is in [0, 1).
 */
export function backoffMs(failures: number, { firstMs, maxMs }: BackoffLimits, random: () => number): number {
  // The exponent is bounded: 2^1024 is infinite, and infinity times a small first delay is the maximum anyway.
  const whole = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 52));
  return whole * (0.5 + random() / 2);
}
