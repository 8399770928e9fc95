import { ApiError, errorCodeOf } from "../errors.ts";
import type { Target } from "../target.ts";

/** What the library says where no connection came about; the address is in it, the time of day too. */
const NO_CONNECTION =
  /^No connection established\. Last error: (?:Error: )?(.*?)(?: \(\d{4}-[^)]*Z\))?\. Resolution note:/s;

/** The error of the library, under this package's code and without the library's own words round the system's. */
export function fromLibrary(error: unknown, method: string, target: Target): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof Error && "code" in error && typeof error.code === "number") {
    const details = "details" in error && typeof error.details === "string" ? error.details : error.message;
    const reason = NO_CONNECTION.exec(details)?.[1];
    const words = reason === undefined ? details : `no connection to ${target.shown}: ${reason}`;
    return new ApiError(errorCodeOf(error.code), words, method, { cause: error });
  }
  return unexpected(error, method);
}

/** Anything that is thrown by somebody else's code, an interceptor's for example. */
export function unexpected(error: unknown, method: string): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError("UNKNOWN", error instanceof Error ? error.message : String(error), method, { cause: error });
}
