import { unreachable } from "../base/assert.ts";

export type Lifecycle =
  /** Listeners and providers are being set up. */
  | { readonly phase: "starting" }
  | { readonly phase: "serving" }
  /** Not ready any more; calls in flight finish. */
  | { readonly phase: "draining"; readonly reason: string }
  | { readonly phase: "stopped"; readonly reason: string };

export type LifecycleEvent =
  /** Every listener accepts, and the built-in providers have reported. */
  | { readonly type: "started" }
  /** Somebody wants the server to end: a signal, or a failure to start. */
  | { readonly type: "stop"; readonly reason: string }
  /** Every connection is closed. */
  | { readonly type: "drained" };

export const STARTING: Lifecycle = { phase: "starting" };

/**
 * The one place where the state moves. An event that comes too late changes nothing: a signal may arrive while the
 * server starts, and the listeners may report themselves after it.
 */
export function stepLifecycle(state: Lifecycle, event: LifecycleEvent): Lifecycle {
  switch (state.phase) {
    case "starting":
      switch (event.type) {
        case "started":
          return { phase: "serving" };
        case "stop":
          return { phase: "draining", reason: event.reason };
        case "drained":
          return state;
        default:
          return unreachable(event);
      }
    case "serving":
      return event.type === "stop" ? { phase: "draining", reason: event.reason } : state;
    case "draining":
      return event.type === "drained" ? { phase: "stopped", reason: state.reason } : state;
    case "stopped":
      return state;
    default:
      return unreachable(state);
  }
}

/** Holds the state and tells of each move. */
export interface LifecycleHolder {
  readonly state: Lifecycle;
  send(event: LifecycleEvent): void;
  /** Called after each move, in the order in which listeners were added. */
  onChange(listener: (state: Lifecycle) => void): void;
}

export function createLifecycle(): LifecycleHolder {
  let state = STARTING;
  const listeners: ((state: Lifecycle) => void)[] = [];
  return {
    get state() {
      return state;
    },
    send(event) {
      const next = stepLifecycle(state, event);
      if (next === state) return;
      state = next;
      for (const listener of listeners) listener(next);
    },
    onChange(listener) {
      listeners.push(listener);
    },
  };
}
