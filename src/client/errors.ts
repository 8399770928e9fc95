import { Code, type CodeName } from "../base/status-error.ts";

/** How a call may fail: the gRPC codes but OK. Closed: a number that the specification does not have is UNKNOWN. */
export type ErrorCode = Exclude<CodeName, "OK">;

const CODE_NAMES: ReadonlyMap<number, CodeName> = new Map(
  Object.entries(Code).map(([name, code]) => [code, name as CodeName] as const),
);

/** The name of a code on the wire. */
export function errorCodeOf(code: number): ErrorCode {
  const name = CODE_NAMES.get(code);
  return name === undefined || name === "OK" ? "UNKNOWN" : name;
}

/**
 * The one error of this package's calls, whoever found the fault: the server (then `details` are its own words), the
 * connection, or the caller's own signal (CANCELLED) and time limit (DEADLINE_EXCEEDED).
 */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ErrorCode;
  /** The status text, as it came. */
  readonly details: string;
  /** `nvidia.device.v1alpha1.GpuService/GetGpu`; empty where no call was made. */
  readonly method: string;

  constructor(code: ErrorCode, details: string, method = "", options?: ErrorOptions) {
    super(method === "" ? `${code}: ${details}` : `${code}: ${details} (${method})`, options);
    this.code = code;
    this.details = details;
    this.method = method;
  }
}

const CLOSED = "the connection was closed";

export const connectionClosed = (method: string): ApiError => new ApiError("CANCELLED", CLOSED, method);

/** This side closed the connection: every later call fails in the same way. */
export const isConnectionClosed = (error: unknown): error is ApiError => isCancelled(error) && error.details === CLOSED;

const hasCode = (error: unknown, code: ErrorCode): error is ApiError =>
  error instanceof ApiError && error.code === code;

export const isInvalidArgument = (error: unknown): error is ApiError => hasCode(error, "INVALID_ARGUMENT");
export const isNotFound = (error: unknown): error is ApiError => hasCode(error, "NOT_FOUND");
export const isAlreadyExists = (error: unknown): error is ApiError => hasCode(error, "ALREADY_EXISTS");
export const isPermissionDenied = (error: unknown): error is ApiError => hasCode(error, "PERMISSION_DENIED");
export const isResourceExhausted = (error: unknown): error is ApiError => hasCode(error, "RESOURCE_EXHAUSTED");
export const isUnavailable = (error: unknown): error is ApiError => hasCode(error, "UNAVAILABLE");
export const isUnimplemented = (error: unknown): error is ApiError => hasCode(error, "UNIMPLEMENTED");
export const isDeadlineExceeded = (error: unknown): error is ApiError => hasCode(error, "DEADLINE_EXCEEDED");
export const isCancelled = (error: unknown): error is ApiError => hasCode(error, "CANCELLED");
/** The watch cannot go on from that version: list again. The counterpart of HTTP 410 Gone. */
export const isExpired = (error: unknown): error is ApiError => hasCode(error, "OUT_OF_RANGE");
