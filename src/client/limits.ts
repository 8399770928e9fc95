import { ApiError } from "./errors.ts";

/** Timers and deadlines are 32 bits of milliseconds, 24.8 days: what is longer is over at once. */
export const MAX_MS = 24 * 86_400_000;

/** The number itself. Throws ApiError, INVALID_ARGUMENT, where no timer can keep it. */
export function checkMs(name: string, ms: number, minMs = 1): number {
  if (typeof ms === "number" && ms >= minMs && ms <= MAX_MS) return ms;
  throw new ApiError("INVALID_ARGUMENT", `${name} is ${ms}: it must be ${minMs} to ${MAX_MS} milliseconds`);
}
