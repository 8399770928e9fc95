import { fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { Code } from "../../base/status-error.ts";
import { unexpected } from "../connection/call-errors.ts";
import { ApiError } from "../errors.ts";
import type { CallContext, Handler, StreamHandler, UnaryHandler } from "./handler.ts";
import { untilAborted } from "./until-aborted.ts";

type UnaryCall = grpc.ServerUnaryCall<Buffer, Buffer>;
type StreamCall = grpc.ServerWritableStream<Buffer, Buffer>;

/**
 * The way from the library into a handler. Whatever the handler fails with becomes a status: the library does not catch
 * a rejection, which would end the process.
 */
export function serveHandler(server: grpc.Server, path: string, handler: Handler, stopping: AbortSignal): void {
  if (handler.kind === "unary") {
    const run: grpc.handleUnaryCall<Buffer, Buffer> = (call, callback) => {
      answer(handler, call).then(
        (reply) => callback(null, reply),
        (error) => callback(toStatus(error)),
      );
    };
    server.register(path, run, same, same, "unary");
    return;
  }
  const run: grpc.handleServerStreamingCall<Buffer, Buffer> = (call) => {
    // At once, not with the first event: the caller of a silent watch knows that it is open.
    call.sendMetadata(new grpc.Metadata());
    stream(handler, call, stopping).then(
      () => call.end(),
      // The library's way to a status on a stream.
      (error) => call.emit("error", toStatus(error)),
    );
  };
  server.register(path, run, same, same, "serverStream");
}

async function answer(handler: UnaryHandler, call: UnaryCall): Promise<Buffer> {
  const reply = await handler.handle(decode(handler, call), contextOf(call, new AbortController()));
  return encode(handler, reply);
}

async function stream(handler: StreamHandler, call: StreamCall, stopping: AbortSignal): Promise<void> {
  const gone = new AbortController();
  const stop = () => gone.abort();
  stopping.addEventListener("abort", stop);
  try {
    for await (const reply of untilAborted(handler.handle(decode(handler, call), contextOf(call, gone)), gone.signal)) {
      if (!call.write(encode(handler, reply))) await drained(call, gone.signal);
    }
  } finally {
    stopping.removeEventListener("abort", stop);
  }
  if (stopping.aborted) throw stopping.reason;
}

/** The metadata, and the signal that the call's end aborts. */
function contextOf(call: UnaryCall | StreamCall, gone: AbortController): CallContext {
  call.on("cancelled", () => gone.abort());
  const texts = Object.entries(call.metadata.getMap()).filter((entry): entry is [string, string] => {
    return typeof entry[1] === "string";
  });
  return { metadata: Object.fromEntries(texts), signal: gone.signal };
}

/** A slow reader is waited for; when the history has moved past it meanwhile, its watch expires. */
function drained(call: StreamCall, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    call.on("drain", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

function decode({ method }: Handler, call: UnaryCall | StreamCall): Message {
  try {
    return fromBinary(method.input, call.request);
  } catch {
    throw new ApiError("INVALID_ARGUMENT", `malformed ${method.input.typeName}`);
  }
}

const encode = ({ method }: Handler, reply: Message): Buffer => Buffer.from(toBinary(method.output, reply));

const same = (bytes: Buffer): Buffer => bytes;

function toStatus(error: unknown): { readonly code: grpc.status; readonly details: string } {
  const { code, details } = unexpected(error, "");
  return { code: Code[code], details };
}
