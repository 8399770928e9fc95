import type { Message } from "@bufbuild/protobuf";
import type { Clock } from "../../base/clock.ts";
import { systemClock } from "../../base/clock.ts";
import type { LogFields } from "../../base/log.ts";
import type { CodeName } from "../../base/status-error.ts";
import { ApiError } from "../errors.ts";
import type { Interceptor, StreamCall, StreamNext, UnaryCall } from "./interceptor.ts";

/** How a call went, told once when it is over. */
export interface CallEnd {
  readonly kind: "unary" | "stream";
  /** `nvidia.device.v1alpha1.GpuService/GetGpu` */
  readonly method: string;
  /** OK also for a stream that its reader left. */
  readonly code: CodeName;
  /** The status text; "" where the code is OK. */
  readonly details: string;
  readonly durationMs: number;
  /** How often it was sent; 0 where it never was. */
  readonly attempts: number;
  /** Messages that came. */
  readonly messages: number;
}

/**
 * Tells an observer of every call: for latency histograms and counters of any metrics library. What the observer throws
 * is dropped: a metric must not cost a call.
 */
export function observeCalls(observer: (end: CallEnd) => void, clock: Clock = systemClock): Interceptor {
  const start = (kind: CallEnd["kind"], call: UnaryCall | StreamCall) => {
    const startMs = clock.monotonicMs();
    return (messages: number, error: unknown) => {
      try {
        const durationMs = clock.monotonicMs() - startMs;
        observer({
          kind,
          method: call.name,
          durationMs,
          attempts: call.progress.attempts,
          messages,
          ...outcome(error),
        });
      } catch {
        // Documented above.
      }
    };
  };
  return {
    async unary(call, next) {
      const end = start("unary", call);
      try {
        const reply = await next(call);
        end(1, undefined);
        return reply;
      } catch (error) {
        end(0, error);
        throw error;
      }
    },
    stream: (call, next) => observeStream(call, next, start("stream", call)),
  };
}

async function* observeStream(
  call: StreamCall,
  next: StreamNext,
  end: (messages: number, error: unknown) => void,
): AsyncGenerator<Message> {
  let messages = 0;
  let failure: unknown;
  try {
    for await (const message of next(call)) {
      messages++;
      yield message;
    }
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    end(messages, failure);
  }
}

function outcome(error: unknown): Pick<CallEnd, "code" | "details"> {
  if (error === undefined) return { code: "OK", details: "" };
  if (error instanceof ApiError) return { code: error.code, details: error.details };
  return { code: "UNKNOWN", details: String(error) };
}

/** How a call may end without anything being wrong: not worth more than a debug line. */
const QUIET: ReadonlySet<CodeName> = new Set<CodeName>(["OK", "CANCELLED", "NOT_FOUND", "OUT_OF_RANGE"]);

export type WriteLogLine = (level: "debug" | "warn", message: string, fields: LogFields) => void;

/** One line for each call that is over. Requests and replies are not logged. */
export function logCalls(write: WriteLogLine, clock: Clock = systemClock): Interceptor {
  return observeCalls(({ kind, method, code, details, durationMs, attempts, messages }) => {
    const fields = { method, code, details: details === "" ? undefined : details, durationMs, attempts };
    const level = QUIET.has(code) ? "debug" : "warn";
    write(level, `${kind} call ended`, kind === "stream" ? { ...fields, messages } : fields);
  }, clock);
}
