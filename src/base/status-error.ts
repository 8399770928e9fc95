/** The gRPC status codes, by their names in the specification. */
export const Code = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type CodeName = keyof typeof Code;

/** A failure that a caller may cause. The message reaches the caller as it is: it names the field, rule or limit. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: CodeName;

  constructor(code: CodeName, message: string) {
    super(message);
    this.code = code;
  }
}

export const invalidArgument = (field: string, problem: string): StatusError =>
  new StatusError("INVALID_ARGUMENT", `${field}: ${problem}`);

export const resourceExhausted = (field: string, problem: string): StatusError =>
  new StatusError("RESOURCE_EXHAUSTED", `${field}: ${problem}`);
