import { checkSignal, onAbort } from "../abort.ts";
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

/** The calls in flight on one connection: each ends by its caller's signal, and all of them when it closes. */
export class OpenCalls {
  readonly #open = new Set<OpenCall>();
  #closed = false;

  /**
   * Throws ApiError: CANCELLED where the signal is aborted already or the connection closed, INVALID_ARGUMENT where it
   * is no signal.
   */
  enter(method: string, callers: AbortSignal | undefined): CallScope {
    if (this.#closed) throw connectionClosed(method);
    checkSignal(callers, method);
    if (callers?.aborted === true) throw cancelled(method, callers);
    const call = { method, controller: new AbortController() };
    this.#open.add(call);
    const following = callers && onAbort(callers, () => call.controller.abort(cancelled(method, callers)));
    return {
      signal: call.controller.signal,
      [Symbol.dispose]: () => {
        this.#open.delete(call);
        following?.[Symbol.dispose]();
      },
    };
  }

  close(): void {
    this.#closed = true;
    for (const { controller, method } of this.#open) controller.abort(connectionClosed(method));
  }
}

function cancelled(method: string, signal: AbortSignal): ApiError {
  return new ApiError("CANCELLED", "the caller's signal was aborted", method, { cause: signal.reason });
}
