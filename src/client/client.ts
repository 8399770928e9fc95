import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { systemClock } from "../base/clock.ts";
import { Code, type CodeName } from "../base/status-error.ts";
import type { Target } from "./target.ts";

/** How a call failed, in the server's words. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: CodeName;

  constructor(code: CodeName, message: string) {
    super(message);
    this.code = code;
  }
}

export interface UnaryOptions {
  readonly timeoutMs: number;
}

export interface StreamOptions {
  /** Ends the stream, and the iteration with it, without an error. */
  readonly signal?: AbortSignal;
}

/** One connection, opened by the first call. Rejects with RpcError. */
export interface Client extends Disposable {
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: UnaryOptions,
  ): Promise<MessageShape<O>>;
  /** Reads no faster than it is iterated; leaving the loop ends the stream. */
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options?: StreamOptions,
  ): AsyncIterable<MessageShape<O>>;
}

/** A full list is at most 3.5 MiB; the server sends nothing over 4. */
const RECEIVE_BYTES_MAX = 4 * 1_024 * 1_024;

export function createClient(target: Target): Client {
  const library = new grpc.Client(target.address, grpc.credentials.createInsecure(), {
    "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
    // A node's own server: no proxy stands between, whatever the environment says.
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    // The library would send the path of the socket, which HTTP/2 servers may refuse as a host.
    ...(target.address.startsWith("unix:") ? { "grpc.default_authority": "localhost" } : {}),
  });
  return {
    unary: (method, request, { timeoutMs }) =>
      new Promise((resolve, reject) => {
        library.makeUnaryRequest(
          pathOf(method),
          identity,
          identity,
          encode(method.input, request),
          new grpc.Metadata(),
          { deadline: new Date(systemClock.wallUs() / 1_000 + timeoutMs) },
          (error, reply) => {
            if (error !== null) reject(toRpcError(error));
            else resolve(fromBinary(method.output, reply ?? new Uint8Array()));
          },
        );
      }),
    stream: (method, request, options = {}) => readStream(library, method, request, options),
    [Symbol.dispose]: () => library.close(),
  };
}

async function* readStream<I extends DescMessage, O extends DescMessage>(
  library: grpc.Client,
  method: DescMethodServerStreaming<I, O>,
  request: MessageInitShape<I>,
  { signal }: StreamOptions,
): AsyncGenerator<MessageShape<O>> {
  const call = library.makeServerStreamRequest(pathOf(method), identity, identity, encode(method.input, request));
  const cancel = () => call.cancel();
  signal?.addEventListener("abort", cancel);
  if (signal?.aborted === true) cancel();
  try {
    for await (const bytes of call) yield fromBinary(method.output, bytes);
  } catch (error) {
    if (signal?.aborted !== true) throw toRpcError(error);
  } finally {
    signal?.removeEventListener("abort", cancel);
    // The cancelled call reports itself once more; nobody listens any longer.
    call.on("error", () => {});
    call.cancel();
  }
}

const identity = (bytes: Buffer): Buffer => bytes;

function encode<I extends DescMessage>(schema: I, request: MessageInitShape<I>): Buffer {
  return Buffer.from(toBinary(schema, create(schema, request)));
}

function pathOf(method: DescMethodUnary | DescMethodServerStreaming): string {
  return `/${method.parent.typeName}/${method.name}`;
}

const NAMES: ReadonlyMap<number, CodeName> = new Map(
  Object.entries(Code).map(([name, code]) => [code, name as CodeName] as const),
);

function toRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (error instanceof Error && "code" in error && typeof error.code === "number") {
    const details = "details" in error && typeof error.details === "string" ? error.details : error.message;
    return new RpcError(NAMES.get(error.code) ?? "UNKNOWN", details);
  }
  return new RpcError("UNKNOWN", error instanceof Error ? error.message : String(error));
}
