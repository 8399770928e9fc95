import type { Logger } from "../base/log.ts";
import { StatusError } from "../base/status-error.ts";
import type { DuplexMethod, ServerStreamMethod, UnaryMethod } from "../service/call.ts";
import { describePeer } from "../service/peer.ts";
import type { OpenCall } from "./grpc-call.ts";
import type { ExchangeEvents, GrpcExchange } from "./grpc-exchange.ts";
import { createDuplexStream, createReplyStream, type MessageSink } from "./grpc-stream.ts";

export interface AdapterHost {
  readonly log: Logger;
  readonly maxSendBytes: number;
  /** Throws the status with which a call is refused. */
  admit(): void;
  /** Throws the status that takes the place of a reply which would have to wait. */
  admitWaitingReply(call: OpenCall, bytes: number): void;
  /** All that waited for the client of a stream has left. */
  waitingRepliesSent(call: OpenCall): void;
  streamOpened(call: OpenCall): void;
  /** The request is complete. */
  received(call: OpenCall): void;
}

/** Makes the two halves of a call: what carries it, and its record, which may answer over the service's head. */
export interface CallParts {
  exchange(events: ExchangeEvents): GrpcExchange;
  call(answer: (status: StatusError) => void): OpenCall;
}

/** What a caller may know of a failure. Anything but a StatusError is our own fault, and goes to the log alone. */
export function toStatus(error: unknown, call: OpenCall, log: Logger): StatusError {
  if (error instanceof StatusError) return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  log.error("a handler failed", { error: text, method: call.method, peer: describePeer(call.peer) });
  return new StatusError("INTERNAL", "internal error");
}

/**
 * The one way from the wire into a service: admission, the handler, and a status for whatever it throws or rejects
 * with. Nothing leaves here as an exception.
 */
export abstract class CallAdapter implements ExchangeEvents {
  readonly call: OpenCall;
  protected readonly exchange: GrpcExchange;
  protected readonly host: AdapterHost;

  constructor(host: AdapterHost, parts: CallParts) {
    this.host = host;
    this.exchange = parts.exchange(this);
    this.call = parts.call((status) => this.exchange.finish(status));
  }

  get events(): GrpcExchange {
    return this.exchange;
  }

  abstract message(bytes: Buffer): void;
  abstract halfClose(): void;

  drained(): void {}

  received(): void {
    this.host.received(this.call);
  }

  broken(status: StatusError): void {
    this.call.abort(status);
  }

  closed(): void {
    this.call.close();
  }

  /** Takes what a handler, or one of its listeners, throws now or later. */
  protected readonly fail = (error: unknown): void => {
    if (this.call.phase !== "handling") return;
    this.call.abort(toStatus(error, this.call, this.host.log));
  };
}

/** A call whose request is one message: the service sees it when it is complete. */
abstract class SingleRequestAdapter extends CallAdapter {
  #request: Buffer | undefined;

  override message(bytes: Buffer): void {
    if (this.#request === undefined) this.#request = bytes;
    else this.call.abort(new StatusError("UNIMPLEMENTED", "the method takes one message, and more came"));
  }

  override halfClose(): void {
    const request = this.#request;
    this.#request = undefined;
    if (request === undefined) {
      this.call.abort(new StatusError("UNIMPLEMENTED", "the method takes one message, and none came"));
    } else if (this.call.begin()) this.handle(request);
  }

  protected abstract handle(request: Buffer): void;
}

export class UnaryAdapter extends SingleRequestAdapter {
  readonly #method: UnaryMethod;

  constructor(method: UnaryMethod, host: AdapterHost, parts: CallParts) {
    super(host, parts);
    this.#method = method;
  }

  protected override handle(request: Buffer): void {
    try {
      this.host.admit();
      const outcome = this.#method.handle(request, this.call);
      if (outcome instanceof Promise) outcome.then(this.#reply).catch(this.#refuse);
      else this.#reply(outcome);
    } catch (error) {
      this.#refuse(error);
    }
  }

  readonly #reply = (message: Uint8Array): void => {
    if (this.call.phase !== "handling") return;
    const { exchange, host } = this;
    if (message.length > host.maxSendBytes) throw tooLong(message, host.maxSendBytes);
    if (!exchange.takesReply(message.length)) host.admitWaitingReply(this.call, message.length);
    this.call.settle("OK", () => exchange.reply(message));
  };

  /** Not `fail`: the service has spoken, and need not be told that its call is over. */
  readonly #refuse = (error: unknown): void => {
    if (this.call.phase !== "handling") return;
    const status = toStatus(error, this.call, this.host.log);
    this.call.settle(status.code, () => this.exchange.finish(status));
  };
}

export class ServerStreamAdapter extends SingleRequestAdapter {
  readonly #method: ServerStreamMethod;
  #onDrain: () => void = () => {};

  constructor(method: ServerStreamMethod, host: AdapterHost, parts: CallParts) {
    super(host, parts);
    this.#method = method;
  }

  override drained(): void {
    this.#onDrain();
  }

  protected override handle(request: Buffer): void {
    try {
      openStream(this.call, this.exchange, this.host);
      const sink = sinkOf(this.exchange, this.host, this.fail, (listener) => {
        this.#onDrain = listener;
      });
      const outcome = this.#method.handle(request, createReplyStream(this.call, sink, this.fail));
      if (outcome instanceof Promise) outcome.catch(this.fail);
    } catch (error) {
      this.fail(error);
    }
  }
}

export class DuplexAdapter extends CallAdapter {
  readonly #method: DuplexMethod;
  #onMessage: (message: Buffer) => void = () => {};
  #onHalfClose: () => void = () => {};
  #onDrain: () => void = () => {};

  constructor(method: DuplexMethod, host: AdapterHost, parts: CallParts) {
    super(host, parts);
    this.#method = method;
  }

  /** The service is there before the first message. */
  open(): void {
    if (!this.call.begin()) return;
    try {
      openStream(this.call, this.exchange, this.host);
      const sink = sinkOf(this.exchange, this.host, this.fail, (listener) => {
        this.#onDrain = listener;
      });
      const { stream, target } = createDuplexStream(this.call, this.#counted(sink), this.exchange, this.fail);
      this.#onMessage = target.message;
      this.#onHalfClose = target.halfClose;
      this.#method.handle(stream);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Replies of their own, unlike the events of watches: what waits of them is memory that each call takes. */
  #counted(sink: MessageSink): MessageSink {
    return {
      ...sink,
      write: (message) => {
        if (this.exchange.mustWait(message.length)) this.host.admitWaitingReply(this.call, message.length);
        return sink.write(message);
      },
    };
  }

  override message(bytes: Buffer): void {
    this.#onMessage(bytes);
  }

  override halfClose(): void {
    this.#onHalfClose();
  }

  override drained(): void {
    this.host.waitingRepliesSent(this.call);
    this.#onDrain();
  }
}

/** Admission, and headers at once: the caller of a stream that is silent for days knows that it is open. */
function openStream(call: OpenCall, exchange: GrpcExchange, host: AdapterHost): void {
  host.admit();
  host.streamOpened(call);
  exchange.sendHeaders();
}

function sinkOf(
  exchange: GrpcExchange,
  host: AdapterHost,
  fail: (error: unknown) => void,
  onDrain: (listener: () => void) => void,
): MessageSink {
  return {
    write(message) {
      if (message.length <= host.maxSendBytes) return exchange.send(message);
      fail(tooLong(message, host.maxSendBytes));
      return false;
    },
    onDrain,
    end: (status) => exchange.finish(status),
  };
}

function tooLong(message: Uint8Array, limit: number): StatusError {
  return new StatusError("RESOURCE_EXHAUSTED", `a reply of ${message.length} bytes is over the limit of ${limit}`);
}
