/** What must not happen did happen: a fault of this program, never of a caller. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Stays on in production: a wrong state served is worse than a failed call. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks the branch that the types rule out. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}
