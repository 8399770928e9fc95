import { ApiError } from "./errors.ts";

/** What waits for one signal, and the one listener that stands for all of it. */
interface Group {
  readonly calls: Set<() => void>;
  readonly listener: () => void;
}

/** One table for all: a signal is the caller's, who gives the same one to calls, waits and connections alike. */
const groups = new WeakMap<AbortSignal, Group>();

/**
 * Calls back when the signal is aborted, unless it is disposed before. The signal gets one listener, however many wait
 * for it, and has none after the last of them: Node warns of the eleventh. A callback must not throw.
 */
export function onAbort(signal: AbortSignal, callback: () => void): Disposable {
  const group = groups.get(signal) ?? listen(signal);
  // One of its own, for the same function may come twice.
  const call = () => callback();
  group.calls.add(call);
  return {
    [Symbol.dispose]() {
      group.calls.delete(call);
      if (group.calls.size > 0 || groups.get(signal) !== group) return;
      groups.delete(signal);
      signal.removeEventListener("abort", group.listener);
    },
  };
}

function listen(signal: AbortSignal): Group {
  const calls = new Set<() => void>();
  const listener = () => {
    for (const call of calls) call();
  };
  const group = { calls, listener };
  groups.set(signal, group);
  signal.addEventListener("abort", listener);
  return group;
}

/** By what is used of it, since there may be more than one class of that name. Throws ApiError, INVALID_ARGUMENT. */
export function checkSignal(signal: AbortSignal | undefined, method = ""): void {
  if (signal === undefined) return;
  const { aborted, addEventListener }: Partial<AbortSignal> = Object(signal);
  if (typeof aborted === "boolean" && typeof addEventListener === "function") return;
  throw new ApiError("INVALID_ARGUMENT", "signal: it is not an AbortSignal", method);
}
