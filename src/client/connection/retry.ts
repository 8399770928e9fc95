import type { Message } from "@bufbuild/protobuf";
import { type BackoffLimits, fullJitterMs } from "../../base/backoff.ts";
import { ApiError, isUnavailable } from "../errors.ts";
import { checkMs } from "../limits.ts";
import { sleep } from "../sleep.ts";
import type { ClientSystem } from "../system.ts";
import type { StreamCall, UnaryCall } from "./interceptor.ts";

/**
 * Which calls are sent again: those that failed with UNAVAILABLE, which is also what a socket gives that cannot be
 * dialled (no such file, refused, EAGAIN of a full backlog). Writes too: each of this API says what shall be, not what
 * shall be added, so that the second of two equal ones changes nothing. What differs is the answer: a registration
 * that was repeated may say created=false, a deletion deleted=false, though the first sending did it.
 */
export interface RetryPolicy extends BackoffLimits {
  /** How often a call is sent at most. 1: never repeated. Infinity: until its time is over. */
  readonly maxAttempts: number;
}

/**
 * Four waits of 0.75 s in the mean and 1.5 s at most: over a server's moment of full backlog or of changing its
 * socket. Longer outages are for whoever has a loop, such as an informer: it backs off for longer.
 */
export const DEFAULT_RETRY: RetryPolicy = { maxAttempts: 5, firstMs: 100, maxMs: 2_000 };

/** Throws ApiError, INVALID_ARGUMENT. Waits are by chance below what is given, so a whole millisecond is the least. */
export function checkRetry(policy: RetryPolicy): RetryPolicy {
  const { maxAttempts, firstMs, maxMs } = policy;
  checkMs("retry.firstMs", firstMs);
  checkMs("retry.maxMs", maxMs);
  if (maxAttempts >= 1 && (Number.isInteger(maxAttempts) || maxAttempts === Number.POSITIVE_INFINITY)) return policy;
  const words = `retry.maxAttempts is ${maxAttempts}: it must be a whole number from 1, or Infinity`;
  throw new ApiError("INVALID_ARGUMENT", words);
}

/**
 * Sends until it succeeds, fails for good, has no attempt left, or the wait would pass the deadline: then the last
 * failure stands, which says more than DEADLINE_EXCEEDED would.
 */
export async function retryUnary(
  call: UnaryCall,
  send: () => Promise<Message>,
  policy: RetryPolicy,
  system: ClientSystem,
): Promise<Message> {
  for (;;) {
    call.signal.throwIfAborted();
    call.progress.attempts++;
    try {
      return await send();
    } catch (error) {
      const untilMs = call.deadlineMs - system.clock.monotonicMs();
      if (!isUnavailable(error) || !(await waitToRepeat(call, policy, untilMs, system))) throw reasonOr(call, error);
    }
  }
}

/** The same for a stream, until it is open: `send` calls back when the server has answered. Later failures stand. */
export async function* retryStream(
  call: StreamCall,
  send: (onOpen: () => void) => AsyncIterable<Message>,
  policy: RetryPolicy,
  system: ClientSystem,
): AsyncGenerator<Message> {
  for (;;) {
    call.signal.throwIfAborted();
    call.progress.attempts++;
    let open = false;
    const onOpen = () => {
      open = true;
    };
    try {
      yield* send(onOpen);
      return;
    } catch (error) {
      if (open || !isUnavailable(error)) throw error;
      if (!(await waitToRepeat(call, policy, Number.POSITIVE_INFINITY, system))) throw reasonOr(call, error);
    }
  }
}

/** False where the call must not be sent again. */
async function waitToRepeat(
  { progress, signal }: UnaryCall | StreamCall,
  policy: RetryPolicy,
  untilMs: number,
  { random, scheduler }: ClientSystem,
): Promise<boolean> {
  if (progress.attempts >= policy.maxAttempts) return false;
  const delayMs = fullJitterMs(progress.attempts, policy, random);
  return delayMs < untilMs && (await sleep(scheduler, delayMs, signal));
}

/** A call that was cancelled while it waited says so, and not why it had to wait. */
function reasonOr({ signal }: UnaryCall | StreamCall, error: unknown): unknown {
  return signal.aborted ? (signal.reason as ApiError) : error;
}
