import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
import { GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { AdminService } from "../../src/gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";

const METHODS = {
  ...GpuService.method,
  ...ProviderService.method,
  ...AdminService.method,
  ...Health.method,
};
type Methods = typeof METHODS;

/** Answers with a message, or throws `{ code, details }`; never settles where it hangs. */
type UnaryScript<M extends DescMethodUnary> = (
  request: MessageShape<M["input"]>,
  call: grpc.ServerUnaryCall<Buffer, Buffer>,
) => MessageInitShape<M["output"]> | Buffer | Promise<MessageInitShape<M["output"]> | Buffer>;

/** Writes what it wants, and ends the stream if it wants. */
type StreamScript<M extends DescMethodServerStreaming> = (
  send: (message: MessageInitShape<M["output"]>) => boolean,
  call: grpc.ServerWritableStream<Buffer, Buffer>,
  request: MessageShape<M["input"]>,
) => void;

export type Scripts = {
  [K in keyof Methods]?: Methods[K] extends DescMethodServerStreaming
    ? StreamScript<Methods[K]>
    : Methods[K] extends DescMethodUnary
      ? UnaryScript<Methods[K]>
      : never;
};

export interface ScriptedServer extends AsyncDisposable {
  /** What a client dials. */
  readonly target: string;
  /** At once: connections are cut. */
  stop(): void;
}

export interface ScriptedServerOptions {
  /** Default: a unix socket in a folder of its own. */
  readonly address?: string;
  readonly credentials?: grpc.ServerCredentials;
}

const same = (bytes: Buffer): Buffer => bytes;

/** A plain grpc-js server that does what a test says, mistakes included: what our own server would never send. */
export async function startScriptedServer(
  scripts: Scripts,
  options: ScriptedServerOptions = {},
): Promise<ScriptedServer> {
  const folder = mkdtempSync(join(tmpdir(), "scripted-"));
  const address = options.address ?? `unix:${join(folder, "s.sock")}`;
  const server = new grpc.Server();
  for (const [name, script] of Object.entries(scripts)) register(server, METHODS[name as keyof Methods], script);
  const credentials = options.credentials ?? grpc.ServerCredentials.createInsecure();
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
  const stop = () => server.forceShutdown();
  return {
    target: address.startsWith("unix:") ? address : address.replace(/:0$/, `:${port}`),
    stop,
    async [Symbol.asyncDispose]() {
      stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function register(server: grpc.Server, method: DescMethodUnary | DescMethodServerStreaming, script: unknown): void {
  const isStream = method.methodKind === "server_streaming";
  const path = `/${method.parent.typeName}/${method.name}`;
  const codec = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  const definition = { path, requestStream: false, responseStream: isStream, ...codec };
  const encode = (reply: unknown): Buffer => {
    if (reply instanceof Buffer) return reply;
    return Buffer.from(toBinary(method.output, create(method.output, reply as MessageInitShape<DescMessage>)));
  };
  if (isStream) {
    const handle = script as StreamScript<DescMethodServerStreaming>;
    const stream: grpc.handleServerStreamingCall<Buffer, Buffer> = (call) =>
      handle((message) => call.write(encode(message)), call, fromBinary(method.input, call.request));
    server.addService({ [method.name]: definition }, { [method.name]: stream });
  } else {
    const handle = script as UnaryScript<DescMethodUnary>;
    const unary: grpc.handleUnaryCall<Buffer, Buffer> = (call, callback) => {
      const reply = async () => encode(await handle(fromBinary(method.input, call.request), call));
      reply().then((bytes) => callback(null, bytes), callback);
    };
    server.addService({ [method.name]: definition }, { [method.name]: unary });
  }
}
