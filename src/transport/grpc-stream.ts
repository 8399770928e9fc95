import type { StatusError } from "../base/status-error.ts";
import type { DuplexStream, ReplyStream } from "../service/call.ts";
import type { OpenCall } from "./grpc-call.ts";

/** Where a stream's messages go. */
export interface MessageSink {
  /** False: taken, but send no more until the drain. */
  write(message: Uint8Array): boolean;
  onDrain(listener: () => void): void;
  end(status: StatusError | undefined): void;
}

/** What of a stream's source is used here. */
export interface MessageSource {
  pause(): void;
  resume(): void;
}

/** Where the source puts what it has. */
export interface MessageTarget {
  message(bytes: Uint8Array): void;
  halfClose(): void;
}

/** What services get for a call that streams replies. `fail` takes whatever one of their listeners throws. */
export function createReplyStream(call: OpenCall, sink: MessageSink, fail: (error: unknown) => void): ReplyStream {
  let drainListener: (() => void) | undefined;
  /** It drained before anybody listened. */
  let isMissed = false;
  sink.onDrain(() => {
    if (call.phase !== "handling") return;
    if (drainListener === undefined) isMissed = true;
    else attempt(drainListener, fail);
  });
  return {
    method: call.method,
    peer: call.peer,
    deadlineMs: call.deadlineMs,
    get cancelled() {
      return call.cancelled;
    },
    onCancel: (listener) => call.onCancel(listener),
    send: (message) => call.phase === "handling" && sink.write(message),
    onDrain(listener) {
      drainListener = listener;
      if (!isMissed) return;
      isMissed = false;
      attempt(listener, fail);
    },
    end: (status) => call.settle(status?.code ?? "OK", () => sink.end(status)),
  };
}

export function createDuplexStream(
  call: OpenCall,
  sink: MessageSink,
  source: MessageSource,
  fail: (error: unknown) => void,
): { readonly stream: DuplexStream; readonly target: MessageTarget } {
  let messageListener: (message: Uint8Array) => void = () => {};
  let halfCloseListener: () => void = () => {};
  const replies = createReplyStream(
    call,
    {
      ...sink,
      onDrain: (listener) =>
        sink.onDrain(() => {
          listener();
          source.resume();
        }),
    },
    fail,
  );
  const stream: DuplexStream = {
    ...replies,
    // Spreading would freeze the getter's value.
    get cancelled() {
      return call.cancelled;
    },
    send(message) {
      const more = replies.send(message);
      // A client that asks and does not read the answers is not read from either: else its answers pile up here.
      if (!more && call.phase === "handling") source.pause();
      return more;
    },
    onMessage(listener) {
      messageListener = listener;
    },
    onHalfClose(listener) {
      halfCloseListener = listener;
    },
  };
  const target: MessageTarget = {
    message(bytes) {
      if (call.phase === "handling") attempt(() => messageListener(bytes), fail);
    },
    halfClose() {
      if (call.phase === "handling") attempt(halfCloseListener, fail);
    },
  };
  return { stream, target };
}

function attempt(listener: () => void, fail: (error: unknown) => void): void {
  try {
    listener();
  } catch (error) {
    fail(error);
  }
}
