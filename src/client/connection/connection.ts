import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Target } from "../target.ts";

export interface StreamOptions {
  /** Ends the stream, and the iteration with it, without an error. */
  readonly signal?: AbortSignal;
  /** Sent with the call. Names are lower case; one that ends in -bin is refused. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface CallOptions {
  /** Ends the call, also while it waits to be repeated: it rejects with CANCELLED. */
  readonly signal?: AbortSignal;
  /** How long the call may take, repetitions included. Default: the connection's. At most 24 days. */
  readonly timeoutMs?: number;
  /** Sent with the call. Names are lower case; one that ends in -bin is refused. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * One server, dialled by the first call and dialled anew after a loss. Any number of calls at once. Everything fails
 * with ApiError.
 */
export interface Connection extends AsyncDisposable {
  readonly target: Target;
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options?: CallOptions,
  ): Promise<MessageShape<O>>;
  /**
   * Opens when it is iterated, once for each loop over it. Reads no faster than it is iterated; leaving the loop ends
   * the stream. Never repeated by itself: who reads knows where to go on.
   */
  serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options?: StreamOptions,
  ): AsyncIterable<MessageShape<O>>;
  /** Calls in flight fail with CANCELLED, and so does every later one. A second close does nothing more. */
  close(): Promise<void>;
}
