import type { CancelScope } from "../base/cancel-scope.ts";
import type { StatusError } from "../base/status-error.ts";
import type { Peer } from "./peer.ts";

/**
 * What a service sees of a call: nothing of the transport, so that the transport can be replaced.
 *
 * Requests and replies are encoded protobuf messages without gRPC framing. A handler may throw: a StatusError becomes
 * the call's status, anything else INTERNAL and one log line. The transport decides nothing but that.
 */
export interface Call extends CancelScope {
  /** `package.Service/Method`. */
  readonly method: string;
  readonly peer: Peer;
}

/** The server's side of a stream of replies. After `end`, or once cancelled, send and end do nothing. */
export interface ReplyStream extends Call {
  /** Hands over one message. False: it was taken, but send no more until onDrain. */
  send(message: Uint8Array): boolean;
  /** One listener at a time; called whenever the stream takes messages again after a false. */
  onDrain(listener: () => void): void;
  /** Ends with OK, or with the status. Messages already sent go out first. */
  end(status?: StatusError): void;
}

/** A stream in both directions. */
export interface DuplexStream extends ReplyStream {
  /** One listener at a time, set before the handler returns. */
  onMessage(listener: (message: Uint8Array) => void): void;
  /** The caller has sent its last message. */
  onHalfClose(listener: () => void): void;
}

/** Who may call: anyone who can connect, or those with permission to write or to administer. */
export type Access = "read" | "write" | "admin";

interface MethodBase {
  /** `package.Service/Method`. */
  readonly name: string;
  readonly access: Access;
  /** Of a request: more is RESOURCE_EXHAUSTED before it is read. Default: what the server takes of any message. */
  readonly requestBytesMax?: number;
}

/** For requests that are a name or two. A reader may not make the server hold, or decode, millions of bytes. */
export const SMALL_REQUEST_BYTES: number = 8 * 1024;

export interface UnaryMethod extends MethodBase {
  readonly kind: "unary";
  /** A reply at once where nothing had to be waited for: the hot path then costs no promise. */
  handle(request: Uint8Array, call: Call): Uint8Array | Promise<Uint8Array>;
}

export interface ServerStreamMethod extends MethodBase {
  readonly kind: "server-stream";
  /** Returns when the stream is set up; the stream lives on until end or cancellation. */
  handle(request: Uint8Array, stream: ReplyStream): void | Promise<void>;
}

export interface DuplexMethod extends MethodBase {
  readonly kind: "duplex";
  handle(stream: DuplexStream): void;
}

export type Method = UnaryMethod | ServerStreamMethod | DuplexMethod;
