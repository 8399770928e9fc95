import type { DescMethod, DescMethodServerStreaming, DescMethodUnary, Message } from "@bufbuild/protobuf";

/** What a call brings beside its request. */
export interface CallContext {
  readonly metadata: Readonly<Record<string, string>>;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
}

/** How a fake answers a method, whatever carries the call. Fails with ApiError. */
export interface UnaryHandler {
  readonly kind: "unary";
  readonly method: DescMethodUnary;
  handle(request: Message, call: CallContext): Promise<Message>;
}

export interface StreamHandler {
  readonly kind: "server_streaming";
  readonly method: DescMethodServerStreaming;
  /** Need not look at the signal: whoever reads stops by it. */
  handle(request: Message, call: CallContext): AsyncIterable<Message>;
}

export type Handler = UnaryHandler | StreamHandler;

/** `nvidia.device.v1alpha1.GpuService/GetGpu` */
export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}
