import type { ChannelOptions } from "@grpc/grpc-js";
import type { Clock, Scheduler } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { CodeName } from "../base/status-error.ts";
import type { Method } from "../service/call.ts";
import type { Peer } from "../service/peer.ts";

export interface CallEnd {
  /** `package.Service/Method`. */
  readonly method: string;
  readonly kind: Method["kind"];
  readonly code: CodeName;
  readonly seconds: number;
}

/** The connections that are open, by number. */
export interface ConnectionLookup {
  get(connection: number): { readonly peer: Peer; destroy(): void } | undefined;
}

export interface GrpcServerOptions {
  readonly methods: readonly Method[];
  /** Throws the StatusError with which a call is refused. */
  readonly authorize: (method: Method, peer: Peer) => void;
  readonly peers: ConnectionLookup;
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

const MESSAGE_MAX_BYTES = 4 * 1024 * 1024;
/**
 * A consumer that was stopped for this long (a full collection, a throttled container) still reads why its watch ended;
 * what a stalled stream may hold meanwhile is bounded by its window.
 */
const STREAM_GRACE_MS = 20_000;
const REPLY_GRACE_MS = 30_000;

/** More than the watches that one process has reason to hold; bounds what one connection can cost. */
const STREAMS_PER_CONNECTION_MAX = 1_000;
/** A peer that vanished without closing (a frozen virtual machine on the TCP listener) is found in 80 s. */
const KEEPALIVE_PERIOD_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;
const CONNECTION_IDLE_MS = 30 * 60_000;

/** Every bound of the library, said out loud: most of its defaults are "none". */
export function channelOptions(options: GrpcServerOptions): ChannelOptions {
  return {
    "grpc.max_receive_message_length": options.maxReceiveBytes ?? MESSAGE_MAX_BYTES,
    "grpc.max_send_message_length": options.maxSendBytes ?? MESSAGE_MAX_BYTES,
    "grpc.max_concurrent_streams": STREAMS_PER_CONNECTION_MAX,
    "grpc.keepalive_time_ms": KEEPALIVE_PERIOD_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    "grpc.max_connection_idle_ms": CONNECTION_IDLE_MS,
    // Bookkeeping for a service that we do not serve, and behind several reports of leaks.
    "grpc.enable_channelz": 0,
  };
}

/** How long a call of this kind may take to close after its last word. */
export function graceMs(kind: Method["kind"], options: GrpcServerOptions): number {
  return kind === "unary" ? (options.replyGraceMs ?? REPLY_GRACE_MS) : (options.streamGraceMs ?? STREAM_GRACE_MS);
}
