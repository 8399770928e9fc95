/** A function of yours threw, or the promise it returned rejected. Everything else goes on. */
export interface CallbackFault {
  /** "Gpu" */
  readonly kind: string;
  /** After transform the object is kept as it came, after an index function it is in that index under no value. */
  readonly during: "onAdd" | "onUpdate" | "onDelete" | "transform" | "index";
  /** The object's name in lower case. */
  readonly key: string;
  readonly error: unknown;
}

/** For hooks, which are the last to be told: what they throw or reject with is dropped. */
export function shielded<A>(hook: (argument: A) => unknown): (argument: A) => void {
  return (argument) => {
    try {
      const result = hook(argument);
      if (isPromiseLike(result)) result.then(undefined, () => {});
    } catch {
      // There is nobody else to tell.
    }
  };
}

export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
