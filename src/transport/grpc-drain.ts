import type { Clock, Scheduler } from "../base/clock.ts";
import type { StatusError } from "../base/status-error.ts";
import type { OpenCall } from "./grpc-call.ts";
import type { CallTable } from "./grpc-call-table.ts";
import { ErrorCode } from "./http2-frames.ts";
import type { ConnectionSweep } from "./http2-sweep.ts";

/** How long statuses and closing frames may take to leave, once everything is answered. */
const FLUSH_MS = 1_000;

/** How often we look whether the last call has gone. */
const POLL_PERIOD_MS = 5;

export interface Draining {
  readonly table: CallTable;
  readonly sweep: ConnectionSweep;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly status: StatusError;
  readonly timeoutMs: number;
}

/**
 * Streams get their status first, then calls in flight get their time, and only then are the connections closed: a
 * client whose connection goes while a call is open sees CANCELLED or worse, and not the status.
 */
export async function drainCalls(draining: Draining): Promise<void> {
  const { table, sweep, status } = draining;
  const isInFlight = (call: OpenCall) => call.definition.kind === "unary" && call.phase === "handling";
  for (const call of table.calls()) if (!isInFlight(call)) call.abort(status);
  await until(() => table.size === 0, draining.timeoutMs, draining);
  for (const call of table.calls()) call.abort(status);
  await until(() => table.size === 0, FLUSH_MS, draining);
  const closing = sweep.connections();
  for (const connection of closing) connection.goAway(ErrorCode.none, status.message);
  await until(() => closing.every((connection) => connection.isClosed), FLUSH_MS, draining);
}

/** Polls: a process drains once in its life, and a listener on every call would be paid for by all of them. */
async function until(isDone: () => boolean, timeoutMs: number, { clock, scheduler }: Draining): Promise<void> {
  const endMs = clock.monotonicMs() + timeoutMs;
  while (!isDone() && clock.monotonicMs() < endMs) {
    await new Promise<void>((resolve) => scheduler.setTimer(resolve, POLL_PERIOD_MS));
  }
}
