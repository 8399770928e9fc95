import * as grpc from "@grpc/grpc-js";
import type { GrpcFixture } from "./grpc-fixture.ts";

/** A real gRPC client for methods whose messages are plain bytes. */
export interface BytesClient extends Disposable {
  unary(
    method: string,
    request?: Uint8Array,
  ): Promise<{ readonly code: number; readonly details: string; readonly reply: string }>;
  stream(method: string, request?: Uint8Array): OpenStream;
}

export interface OpenStream {
  readonly messages: string[];
  /** Resolves when the response headers are here. */
  readonly headers: Promise<unknown>;
  readonly status: Promise<{ readonly code: number; readonly details: string }>;
  cancel(): void;
}

const identity = (bytes: Buffer): Buffer => bytes;

export function connectBytesClient(fixture: Pick<GrpcFixture, "path">): BytesClient {
  const client = new grpc.Client(`unix:${fixture.path}`, grpc.credentials.createInsecure(), {
    // Every client has a connection of its own: the library shares them otherwise.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.service_config": '{"methodConfig":[]}',
    "grpc.enable_retries": 0,
  });
  return {
    unary: (method, request = Buffer.alloc(0)) =>
      new Promise((resolve) => {
        client.makeUnaryRequest(`/${method}`, identity, identity, Buffer.from(request), (error, reply) => {
          resolve({ code: error?.code ?? 0, details: error?.details ?? "", reply: reply?.toString() ?? "" });
        });
      }),
    stream(method, request = Buffer.alloc(0)) {
      const call = client.makeServerStreamRequest(`/${method}`, identity, identity, Buffer.from(request));
      const messages: string[] = [];
      call.on("data", (message: Buffer) => messages.push(message.toString()));
      call.on("error", () => {});
      const headers = new Promise((resolve) => call.on("metadata", resolve));
      const status = new Promise<{ code: number; details: string }>((resolve) => call.on("status", resolve));
      return { messages, headers, status, cancel: () => call.cancel() };
    },
    [Symbol.dispose]: () => client.close(),
  };
}
