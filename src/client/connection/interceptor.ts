import type { DescMethodServerStreaming, DescMethodUnary, Message } from "@bufbuild/protobuf";

export interface Call<Method> {
  readonly method: Method;
  /** `nvidia.device.v1alpha1.GpuService/GetGpu` */
  readonly name: string;
  readonly request: Message;
  readonly metadata: Readonly<Record<string, string>>;
  /** Aborted by the caller's signal or by the end of the connection; its reason is the ApiError of the call. */
  readonly signal: AbortSignal;
  /** How often the call has been sent so far; goes up while it is repeated. */
  readonly progress: { attempts: number };
}

export interface UnaryCall extends Call<DescMethodUnary> {
  /** On the monotonic clock. */
  readonly deadlineMs: number;
}

export type StreamCall = Call<DescMethodServerStreaming>;

export type UnaryNext = (call: UnaryCall) => Promise<Message>;
export type StreamNext = (call: StreamCall) => AsyncIterable<Message>;

/**
 * Stands round every call of a connection; the first of a list is the outermost, and repetitions happen inside all of
 * them. It may pass on a changed copy of the call, look at messages and errors, or answer without going on. What it
 * throws, the caller gets.
 */
export interface Interceptor {
  unary?(call: UnaryCall, next: UnaryNext): Promise<Message>;
  stream?(call: StreamCall, next: StreamNext): AsyncIterable<Message>;
}

export function chainUnary(interceptors: readonly Interceptor[], last: UnaryNext): UnaryNext {
  return interceptors.reduceRight<UnaryNext>(
    (next, interceptor) => (call) => interceptor.unary?.(call, next) ?? next(call),
    last,
  );
}

export function chainStream(interceptors: readonly Interceptor[], last: StreamNext): StreamNext {
  return interceptors.reduceRight<StreamNext>(
    (next, interceptor) => (call) => interceptor.stream?.(call, next) ?? next(call),
    last,
  );
}
