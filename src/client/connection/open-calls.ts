import { ApiError, connectionClosed } from "../errors.ts";

/** A call from its start to its end; disposed at the end. */
export interface CallScope extends Disposable {
  /** Its reason is the ApiError with which the call ends. */
  readonly signal: AbortSignal;
}

interface OpenCall {
  readonly method: string;
  readonly controller: AbortController;
}

/** The calls that one signal of a caller ends. */
interface Group {
  readonly calls: Set<OpenCall>;
  readonly onAbort: () => void;
}

/** The calls in flight on one connection: each ends by its caller's signal, and all of them when it closes. */
export class OpenCalls {
  readonly #open = new Set<OpenCall>();
  /** One listener for a signal, however many calls have it: Node warns of more than ten. */
  readonly #groups = new Map<AbortSignal, Group>();
  #closed = false;

  /** Throws ApiError, CANCELLED, where the signal is aborted already or the connection closed. */
  enter(method: string, callers: AbortSignal | undefined): CallScope {
    if (this.#closed) throw connectionClosed(method);
    if (callers?.aborted === true) throw cancelled(method, callers);
    const call = { method, controller: new AbortController() };
    this.#open.add(call);
    if (callers !== undefined) this.#join(callers, call);
    return {
      signal: call.controller.signal,
      [Symbol.dispose]: () => {
        this.#open.delete(call);
        if (callers !== undefined) this.#leave(callers, call);
      },
    };
  }

  close(): void {
    this.#closed = true;
    for (const { controller, method } of this.#open) controller.abort(connectionClosed(method));
  }

  #join(signal: AbortSignal, call: OpenCall): void {
    const group = this.#groups.get(signal) ?? this.#listen(signal);
    group.calls.add(call);
  }

  #listen(signal: AbortSignal): Group {
    const calls = new Set<OpenCall>();
    const onAbort = () => {
      for (const { controller, method } of calls) controller.abort(cancelled(method, signal));
    };
    const group = { calls, onAbort };
    this.#groups.set(signal, group);
    signal.addEventListener("abort", onAbort);
    return group;
  }

  #leave(signal: AbortSignal, call: OpenCall): void {
    const group = this.#groups.get(signal);
    group?.calls.delete(call);
    if (group?.calls.size !== 0) return;
    this.#groups.delete(signal);
    signal.removeEventListener("abort", group.onAbort);
  }
}

function cancelled(method: string, signal: AbortSignal): ApiError {
  return new ApiError("CANCELLED", "the caller's signal was aborted", method, { cause: signal.reason });
}
