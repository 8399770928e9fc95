import type { Scheduler } from "../base/clock.ts";

/** What can be done about calls whose requests are not complete. */
export interface ReceiveHost<C> {
  connectionOf(call: C): number;
  /** Ends the call; nobody has seen its request. */
  giveUp(call: C): void;
  destroyConnection(call: C): void;
}

export interface ReceiveGuard<C> extends Disposable {
  watch(call: C): void;
  unwatch(call: C): void;
}

/**
 * Time is counted in sweeps and not by the clock: after a pause of this process the timer fires before the bytes that
 * came meanwhile are read, and every request would look late.
 */
const SWEEP_PERIOD_MS = 250;
/** A client sends a request's headers and bytes together; a second between them is slow … */
const SLOW_SWEEPS = 4;
/** … and so many slow ones may stand at once: 256 MiB, where each is just short of the longest message. */
export const SLOW_REQUESTS_MAX = 64;
/** 30 s: what the handshake's 10 s are to a few bytes, this is to 4 MiB at 140 kB/s. */
const RECEIVE_SWEEPS = 120;

/**
 * Bounds what incomplete requests hold: there may be thousands of connections with one or two of a few MiB, and they
 * may never come to their end. Where too many are slow, the connection with most of them goes, so a neighbour with one
 * is not hit.
 *
 * One timer for all calls, and none while no request is under way.
 */
export function createReceiveGuard<C>(scheduler: Scheduler, host: ReceiveHost<C>): ReceiveGuard<C> {
  const sweeps = new Map<C, number>();
  let timer: Disposable | undefined;

  const sweep = () => {
    timer = undefined;
    const slow: C[] = [];
    for (const [call, before] of [...sweeps]) {
      sweeps.set(call, before + 1);
      if (before + 1 >= RECEIVE_SWEEPS) {
        sweeps.delete(call);
        host.giveUp(call);
      } else if (before + 1 >= SLOW_SWEEPS) slow.push(call);
    }
    for (const call of excess(slow, host.connectionOf)) {
      sweeps.delete(call);
      // Once for each call of a connection; the first one counts.
      host.destroyConnection(call);
    }
    arm();
  };
  const arm = () => {
    if (sweeps.size > 0) timer ??= scheduler.setTimer(sweep, SWEEP_PERIOD_MS);
  };

  return {
    watch(call) {
      sweeps.set(call, 0);
      arm();
    },
    unwatch: (call) => void sweeps.delete(call),
    [Symbol.dispose]() {
      sweeps.clear();
      timer?.[Symbol.dispose]();
      timer = undefined;
    },
  };
}

/** The calls of the connections with most slow requests, until no more than the limit are left. */
function excess<C>(slow: readonly C[], connectionOf: (call: C) => number): readonly C[] {
  if (slow.length <= SLOW_REQUESTS_MAX) return [];
  const byConnection = [...Map.groupBy(slow, connectionOf).values()].sort((a, b) => b.length - a.length);
  const chosen: C[] = [];
  for (const calls of byConnection) {
    if (slow.length - chosen.length <= SLOW_REQUESTS_MAX) break;
    chosen.push(...calls);
  }
  return chosen;
}
