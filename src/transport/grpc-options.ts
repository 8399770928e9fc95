import type { Clock, Scheduler } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { CodeName } from "../base/status-error.ts";
import type { Method } from "../service/call.ts";
import type { Peer } from "../service/peer.ts";
import type { Http2Limits } from "./http2-settings.ts";

export interface CallEnd {
  /** `package.Service/Method`. */
  readonly method: string;
  readonly kind: Method["kind"];
  readonly code: CodeName;
  readonly seconds: number;
}

export interface GrpcServerOptions {
  readonly methods: readonly Method[];
  /** Throws the StatusError with which a call is refused. */
  readonly authorize: (method: Method, peer: Peer) => void;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Logger;
  /** Once for every call of a known method, whatever ended it. */
  readonly onCallEnd?: (end: CallEnd) => void;
  /** Round every stream that was admitted. */
  readonly onStreamOpen?: (method: string) => void;
  readonly onStreamClose?: (method: string) => void;
  /** Default 4 MiB each: what gRPC clients accept unless told otherwise. */
  readonly maxReceiveBytes?: number;
  readonly maxSendBytes?: number;
  /** Default 20,000: how long a stream may take to close once its status is sent. */
  readonly streamGraceMs?: number;
  /** Default 30,000: how long a unary reply may take to leave. At 4 MiB that is 140 kB/s. */
  readonly replyGraceMs?: number;
}

export const MESSAGE_MAX_BYTES: number = 4 * 1024 * 1024;
/**
 * A consumer that was stopped for this long (a full collection, a throttled container) still reads why its watch ended;
 * what a stalled stream may hold meanwhile is bounded by its window.
 */
const STREAM_GRACE_MS = 20_000;
const REPLY_GRACE_MS = 30_000;

/** More than the watches that one process has reason to hold; bounds what one connection can cost. */
const STREAMS_PER_CONNECTION_MAX = 1_000;
/** Clients have 8 KiB and more of their own metadata to send, and we read none of it. */
const HEADER_BYTES_MAX = 16 * 1024;
/** Requests of usual size are on their way at once. Not less: clients have so much until they read our word on it. */
const STREAM_WINDOW = 64 * 1024;
/** More than what a unix socket, or a network of one machine, has under way. */
const CONNECTION_WINDOW = 1024 * 1024;
/** So many of the longest messages may come side by side; others wait for their turn. */
const LONG_MESSAGES_MAX = 2;

export function http2Limits(options: GrpcServerOptions): Http2Limits {
  return {
    streamsMax: STREAMS_PER_CONNECTION_MAX,
    headerBytesMax: HEADER_BYTES_MAX,
    streamWindow: STREAM_WINDOW,
    connectionWindow: CONNECTION_WINDOW,
    grantedBytesMax: LONG_MESSAGES_MAX * (options.maxReceiveBytes ?? MESSAGE_MAX_BYTES),
  };
}

/** How long a call of this kind may take to close after its last word. */
export function graceMs(kind: Method["kind"], options: GrpcServerOptions): number {
  return kind === "unary" ? (options.replyGraceMs ?? REPLY_GRACE_MS) : (options.streamGraceMs ?? STREAM_GRACE_MS);
}
