import type { CodeName } from "../../base/status-error.ts";

/** A limit that is reached is this server's and passes: 503, and not the 429 that tells a caller to slow down. */
const STATUSES: Readonly<Partial<Record<CodeName, number>>> = {
  INVALID_ARGUMENT: 400,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  RESOURCE_EXHAUSTED: 503,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

/** The HTTP status by which a failure is answered. */
export function httpStatusOf(code: CodeName): number {
  return STATUSES[code] ?? 500;
}
