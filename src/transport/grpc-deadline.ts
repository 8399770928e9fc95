import type { Clock, Scheduler } from "../base/clock.ts";
import { StatusError } from "../base/status-error.ts";
import type { OpenCall } from "./grpc-call.ts";

/** The longest delay that a timer takes; a deadline may be thousands of years away. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Ends the call at its deadline. Disposing it disarms it. */
export function armDeadline(
  call: OpenCall,
  deadlineMs: number,
  { clock, scheduler }: { readonly clock: Clock; readonly scheduler: Scheduler },
): Disposable {
  let timer: Disposable;
  const look = () => {
    const leftMs = deadlineMs - clock.monotonicMs();
    if (leftMs > 0) timer = scheduler.setTimer(look, Math.min(Math.ceil(leftMs), TIMER_MAX_MS));
    else call.abort(new StatusError("DEADLINE_EXCEEDED", "the deadline has passed"));
  };
  timer = scheduler.setTimer(look, Math.min(Math.max(0, Math.ceil(deadlineMs - clock.monotonicMs())), TIMER_MAX_MS));
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
