import { initFailureOf } from "./driver-words.ts";
import type { Outage } from "./gpu-status.ts";

/**
 * The state of the provider as a whole. Everything but `stopped` is retried. What a state has as `outage` is what
 * consumers see on every good condition of every GPU; bad ones stay bad.
 */
export type NvmlState =
  /** There is no library that could be loaded. */
  | { readonly kind: "library-missing"; readonly outage: Outage }
  /** Until the first round of a host process; with the cause where there was one before it. */
  | { readonly kind: "initialising"; readonly outage: Outage | undefined; readonly events: boolean }
  | { readonly kind: "running" }
  /** Rounds come, events do not: facts are a period late, and Xids are not seen. */
  | { readonly kind: "degraded"; readonly why: string }
  /**
   * A driver call does not return, or the host process is silent. `slow`: calls return, but are late again and again,
   * so that rounds alone make nothing good.
   */
  | { readonly kind: "hung"; readonly outage: Outage; readonly events: boolean; readonly slow: boolean }
  | { readonly kind: "stopped" };

export type NvmlInput =
  | { readonly kind: "ready"; readonly events: boolean }
  | { readonly kind: "failed"; readonly stage: "load" | "init"; readonly code: number; readonly message: string }
  | { readonly kind: "round"; readonly code: number; readonly slow: Slow }
  | { readonly kind: "events"; readonly running: boolean; readonly code: number }
  | { readonly kind: "starting"; readonly what: string }
  | { readonly kind: "unresponsive"; readonly what: string }
  | { readonly kind: "responsive"; readonly slow: Slow }
  | { readonly kind: "unkillable"; readonly pid: number }
  | { readonly kind: "ended"; readonly how: string; readonly call: string | undefined; readonly explained: boolean }
  | { readonly kind: "stop" };

/** What is said while the driver is too slow again and again; undefined while it is not. */
type Slow = string | undefined;

export const INITIAL_STATE: NvmlState = { kind: "initialising", outage: undefined, events: false };

const UNRESPONSIVE = "DriverUnresponsive";
const NO_EVENT_THREAD = "the event thread has not started";

/** Pure. An input that means nothing in the present state leaves it as it is: the same object comes back. */
export function stepState(state: NvmlState, input: NvmlInput): NvmlState {
  if (state.kind === "stopped") return state;
  switch (input.kind) {
    case "ready":
      return { kind: "initialising", outage: outageOf(state), events: input.events };
    case "failed":
      return onFailed(input.stage, input.code, input.message);
    case "round":
      return onRound(state, input.code, input.slow);
    case "events":
      return onEvents(state, input.running, input.code);
    case "starting":
      return onStarting(state, input.what);
    case "unresponsive":
      // One more that is late changes nothing where it is known that they are.
      return isSlow(state) ? state : hung(state, input.what, false);
    case "responsive":
      return onResponsive(state, input.slow);
    case "unkillable":
      return onUnkillable(state, input.pid);
    case "ended":
      return onEnded(state, input.how, input.call, input.explained);
    case "stop":
      return { kind: "stopped" };
  }
}

/** Undefined where readings can be taken as they are. */
export function outageOf(state: NvmlState): Outage | undefined {
  switch (state.kind) {
    case "library-missing":
    case "initialising":
    case "hung":
      return state.outage;
    case "running":
    case "degraded":
    case "stopped":
      return undefined;
  }
}

const eventsOf = (state: NvmlState): boolean =>
  state.kind === "running" || ((state.kind === "initialising" || state.kind === "hung") && state.events);

const settled = (events: boolean, why: string): NvmlState => (events ? { kind: "running" } : { kind: "degraded", why });

function onFailed(stage: "load" | "init", code: number, message: string): NvmlState {
  if (stage === "load") return { kind: "library-missing", outage: { reason: "NVMLLibraryMissing", message } };
  const outage = { reason: "NVMLInitFailed", message: `${message}: ${initFailureOf(code)}` };
  return { kind: "initialising", outage, events: false };
}

const isSlow = (state: NvmlState): boolean => state.kind === "hung" && state.slow;

function hung(state: NvmlState, message: string, slow: boolean): NvmlState {
  return { kind: "hung", outage: { reason: UNRESPONSIVE, message }, events: eventsOf(state), slow };
}

function onResponsive(state: NvmlState, slow: Slow): NvmlState {
  if (state.kind !== "hung" || state.slow) return state;
  if (slow !== undefined) return hung(state, slow, true);
  // Its readings are still from before: only the next round makes anything good again.
  return { kind: "initialising", outage: state.outage, events: state.events };
}

function onRound(state: NvmlState, code: number, slow: Slow): NvmlState {
  if (code !== 0) {
    // A hang that is not over says more than this.
    if (state.kind === "hung") return state;
    const message = `GPUs cannot be enumerated: NVML return ${code}`;
    return { kind: "initialising", outage: { reason: "EnumerationFailed", message }, events: eventsOf(state) };
  }
  if (state.kind === "hung" && state.slow) {
    return slow === undefined ? settled(state.events, NO_EVENT_THREAD) : state;
  }
  // A host process that follows a slow one has to be in time, too.
  if (state.kind === "initialising" && slow !== undefined) return hung(state, slow, true);
  return state.kind === "initialising" ? settled(state.events, NO_EVENT_THREAD) : state;
}

function onEvents(state: NvmlState, running: boolean, code: number): NvmlState {
  switch (state.kind) {
    case "running":
    case "degraded":
      return settled(running, `the event set was lost (NVML return ${code})`);
    case "initialising":
    case "hung":
      return { ...state, events: running };
    case "library-missing":
    case "stopped":
      return state;
  }
}

/** Where all is Unknown already, it says which call there is to wait for. */
function onStarting(state: NvmlState, what: string): NvmlState {
  if (state.kind !== "initialising" || state.outage === undefined) return state;
  return { ...state, outage: { reason: UNRESPONSIVE, message: `${what}, in the start of a new NVML host process` } };
}

function onUnkillable(state: NvmlState, pid: number): NvmlState {
  const known = outageOf(state);
  const stuck = `the NVML host process ${pid} does not end after SIGKILL, it is stuck in the driver`;
  const outage = { reason: UNRESPONSIVE, message: known === undefined ? stuck : `${known.message}; ${stuck}` };
  return { kind: "hung", outage, events: false, slow: false };
}

function onEnded(state: NvmlState, how: string, call: string | undefined, explained: boolean): NvmlState {
  // Where a slow driver has become one that hangs, how the process was killed says more.
  const known = isSlow(state) ? { reason: UNRESPONSIVE, message: `the NVML host process ${how}` } : outageOf(state);
  if (explained && known !== undefined) {
    return state.kind === "library-missing" ? state : { kind: "initialising", outage: known, events: false };
  }
  const where = call === undefined ? "" : `, last seen in ${call}`;
  const message = `the NVML host process ${how}${where}`;
  return { kind: "initialising", outage: { reason: "NVMLHostCrashed", message }, events: false };
}
