import { ApiError } from "../errors.ts";

/** For an answer of a server on the same node; one that waits for a provider's update is not refused early. */
export const DEFAULT_TIMEOUT_MS = 10_000;

/** The library cuts a deadline to 32 bits of milliseconds, 24.8 days: a longer one would be over at once. */
export const MAX_TIMEOUT_MS = 24 * 24 * 3_600_000;

/** Throws ApiError, INVALID_ARGUMENT, for what is no positive number. Infinity is the longest there is. */
export function checkTimeout(timeoutMs: number): number {
  if (timeoutMs > 0) return Math.min(timeoutMs, MAX_TIMEOUT_MS);
  throw new ApiError("INVALID_ARGUMENT", `timeoutMs: ${timeoutMs} is not a positive number of milliseconds`);
}
