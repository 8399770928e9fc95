export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * How long to wait after so many failures in a row (from 1): doubling up to the maximum, and of that between a half and
 * the whole, so that many who failed at the same moment do not come back at the same moment. `random` is in [0, 1).
 */
export function backoffMs(failures: number, limits: BackoffLimits, random: () => number): number {
  return wholeMs(failures, limits) * (0.5 + random() / 2);
}

/** The same between nothing and the whole: spreads best, for many clients that lost one server at the same moment. */
export function fullJitterMs(failures: number, limits: BackoffLimits, random: () => number): number {
  return wholeMs(failures, limits) * random();
}

function wholeMs(failures: number, { firstMs, maxMs }: BackoffLimits): number {
  // The exponent is bounded: 2^1024 is infinite, and infinity times a small first delay is the maximum anyway.
  return Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 52));
}
