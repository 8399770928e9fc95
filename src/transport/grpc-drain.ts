import type * as grpc from "@grpc/grpc-js";
import type { Clock, Scheduler } from "../base/clock.ts";
import type { StatusError } from "../base/status-error.ts";
import type { OpenCall } from "./grpc-call.ts";

/** How long statuses and closing frames may take to leave, once everything is answered. */
const FLUSH_MS = 1_000;

/** How often we look whether the last call has gone. */
const POLL_PERIOD_MS = 5;

export interface Draining {
  /** Shrinks as calls close. */
  readonly calls: ReadonlySet<OpenCall>;
  readonly library: grpc.Server;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly status: StatusError;
  readonly timeoutMs: number;
}

/**
 * The order matters. The library closes a connection only when its last stream has ended, and shutting down by force
 * makes clients see CANCELLED: so streams get their status first, then calls in flight get their time, and only then
 * are the connections closed.
 */
export async function drainCalls(draining: Draining): Promise<void> {
  const { calls, library, status } = draining;
  const isInFlight = (call: OpenCall) => call.definition.kind === "unary" && call.phase === "handling";
  for (const call of [...calls]) if (!isInFlight(call)) call.abort(status);
  await until(() => calls.size === 0, draining.timeoutMs, draining);
  for (const call of [...calls]) call.abort(status);
  await until(() => calls.size === 0, FLUSH_MS, draining);
  let isShutDown = false;
  library.tryShutdown(() => {
    isShutDown = true;
  });
  await until(() => isShutDown, FLUSH_MS, draining);
}

/** Polls: a process drains once in its life, and a listener on every call would be paid for by all of them. */
async function until(isDone: () => boolean, timeoutMs: number, { clock, scheduler }: Draining): Promise<void> {
  const endMs = clock.monotonicMs() + timeoutMs;
  while (!isDone() && clock.monotonicMs() < endMs) {
    await new Promise<void>((resolve) => scheduler.setTimer(resolve, POLL_PERIOD_MS));
  }
}
