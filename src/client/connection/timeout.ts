import { ApiError } from "../errors.ts";
import { MAX_MS } from "../limits.ts";

/** For an answer of a server on the same node; one that waits for a provider's update is not refused early. */
export const DEFAULT_TIMEOUT_MS = 10_000;

/** Throws ApiError, INVALID_ARGUMENT, for what is no positive number. Infinity is the longest there is. */
export function checkTimeout(timeoutMs: number): number {
  if (timeoutMs > 0) return Math.min(timeoutMs, MAX_MS);
  throw new ApiError("INVALID_ARGUMENT", `timeoutMs: ${timeoutMs} is not a positive number of milliseconds`);
}
