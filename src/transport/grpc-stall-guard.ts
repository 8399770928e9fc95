import type { Clock, Scheduler } from "../base/clock.ts";

/** For calls whose last word is spoken, and which only have to leave. */
export interface StallGuard<C> extends Disposable {
  /** From now on the call has `graceMs` to close. */
  watch(call: C, graceMs: number): void;
  unwatch(call: C): void;
}

/** How often the waiting calls are looked at: a call is destroyed at most this much later than its grace says. */
const SWEEP_PERIOD_MS = 250;

/**
 * Destroys the connections of clients that do not take what was sent to them. A status queues behind the data, so a
 * client without an open window would hold its stream, and the memory of its messages, for ever. A reset of the stream
 * would free it, and tell the client nothing; a client that does not read for so long has lost its connection anyway.
 *
 * One timer for all calls, and none while nobody waits: a timer for each unary reply would cost more than the reply.
 */
export function createStallGuard<C>(
  clock: Clock,
  scheduler: Scheduler,
  destroyConnection: (call: C) => void,
): StallGuard<C> {
  const dueMs = new Map<C, number>();
  let timer: Disposable | undefined;

  const sweep = () => {
    timer = undefined;
    const nowMs = clock.monotonicMs();
    for (const [call, due] of dueMs) {
      if (due > nowMs) continue;
      dueMs.delete(call);
      destroyConnection(call);
    }
    arm();
  };
  const arm = () => {
    if (dueMs.size > 0) timer ??= scheduler.setTimer(sweep, SWEEP_PERIOD_MS);
  };

  return {
    watch(call, graceMs) {
      dueMs.set(call, clock.monotonicMs() + graceMs);
      arm();
    },
    unwatch(call) {
      dueMs.delete(call);
    },
    [Symbol.dispose]() {
      dueMs.clear();
      timer?.[Symbol.dispose]();
      timer = undefined;
    },
  };
}
