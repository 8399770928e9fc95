import * as grpc from "@grpc/grpc-js";
import type { Logger } from "../base/log.ts";
import { StatusError } from "../base/status-error.ts";
import type { DuplexMethod, Method, ServerStreamMethod, UnaryMethod } from "../service/call.ts";
import { describePeer } from "../service/peer.ts";
import type { OpenCall } from "./grpc-call.ts";
import { toWireStatus } from "./grpc-status.ts";
import { createDuplexStream, createReplyStream, type MessageSink } from "./grpc-stream.ts";

export interface AdapterHost {
  readonly log: Logger;
  /** The call that the interceptor opened for these headers. */
  callOf(metadata: grpc.Metadata): OpenCall;
  /** Throws the status with which the call is refused. */
  admit(call: OpenCall): void;
  /** Throws the status that takes the place of a reply of this size. */
  admitReply(call: OpenCall, bytes: number): void;
  streamOpened(call: OpenCall): void;
}

export type AnyHandler =
  | grpc.handleUnaryCall<Buffer, Buffer>
  | grpc.handleServerStreamingCall<Buffer, Buffer>
  | grpc.handleBidiStreamingCall<Buffer, Buffer>;

/**
 * The one way from the library into a service: admission, the handler, and a status for whatever it throws or rejects
 * with. Nothing leaves here as an exception: the library answers one with the error's text, and does not catch a
 * rejection at all, which would end the process.
 */
export function adapt(method: Method, host: AdapterHost): AnyHandler {
  switch (method.kind) {
    case "unary":
      return adaptUnary(method, host);
    case "server-stream":
      return adaptServerStream(method, host);
    case "duplex":
      return adaptDuplex(method, host);
  }
}

/** What a caller may know of a failure. Anything but a StatusError is our own fault, and goes to the log alone. */
export function toStatus(error: unknown, call: OpenCall, log: Logger): StatusError {
  if (error instanceof StatusError) return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  log.error("a handler failed", {
    error: text,
    method: call.method,
    peer: call.hasPeer ? describePeer(call.peer) : undefined,
  });
  return new StatusError("INTERNAL", "internal error");
}

function adaptUnary(method: UnaryMethod, host: AdapterHost): grpc.handleUnaryCall<Buffer, Buffer> {
  return (library, callback) => {
    const call = host.callOf(library.metadata);
    if (!call.begin((status) => callback(toWireStatus(status)))) return;
    const reply = (message: Uint8Array) => {
      if (call.phase !== "handling") return;
      const buffer = asBuffer(message);
      host.admitReply(call, buffer.length);
      call.settle(undefined);
      callback(null, buffer);
    };
    const fail = (error: unknown) => {
      if (call.phase !== "handling") return;
      const status = toStatus(error, call, host.log);
      call.settle(status.code);
      callback(toWireStatus(status));
    };
    try {
      host.admit(call);
      const outcome = method.handle(library.request, call);
      if (outcome instanceof Promise) outcome.then(reply).catch(fail);
      else reply(outcome);
    } catch (error) {
      fail(error);
    }
  };
}

function adaptServerStream(
  method: ServerStreamMethod,
  host: AdapterHost,
): grpc.handleServerStreamingCall<Buffer, Buffer> {
  return (library) =>
    runStream(library, host, (call, fail) => {
      const outcome = method.handle(library.request, createReplyStream(call, sinkOf(library), fail));
      if (outcome instanceof Promise) outcome.catch(fail);
    });
}

function adaptDuplex(method: DuplexMethod, host: AdapterHost): grpc.handleBidiStreamingCall<Buffer, Buffer> {
  return (library) =>
    runStream(library, host, (call, fail) => {
      const duplex = createDuplexStream(call, sinkOf(library), library, fail);
      method.handle(duplex.stream);
      duplex.startReading();
    });
}

/** Admission and headers, and then the handler; `fail` takes what it throws now or later. */
function runStream(
  library: WritableCall,
  host: AdapterHost,
  handle: (call: OpenCall, fail: (error: unknown) => void) => void,
): void {
  const call = host.callOf(library.metadata);
  if (!call.begin((status) => endStream(library, status))) return;
  const fail = (error: unknown) => call.abort(toStatus(error, call, host.log));
  try {
    host.admit(call);
    host.streamOpened(call);
    sendHeaders(library);
    handle(call, fail);
  } catch (error) {
    fail(error);
  }
}

type WritableCall = grpc.ServerWritableStream<Buffer, Buffer> | grpc.ServerDuplexStream<Buffer, Buffer>;

function sinkOf(library: WritableCall): MessageSink {
  return {
    write: (message) => library.write(asBuffer(message)),
    onDrain: (listener) => library.on("drain", listener),
    end: (status) => (status === undefined ? library.end() : endStream(library, status)),
  };
}

/** At once, not with the first message: the caller of a stream that is silent for days knows that it is open. */
function sendHeaders(library: WritableCall): void {
  library.sendMetadata(new grpc.Metadata());
}

/** The library's way to a status on a stream: its own listener turns the event into trailers, after the messages. */
function endStream(library: WritableCall, status: StatusError): void {
  library.emit("error", toWireStatus(status));
}

/** The same bytes under another type: the library wants Buffer's copy(). */
function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
