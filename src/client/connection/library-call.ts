import { type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import type { Clock } from "../../base/clock.ts";
import { ApiError } from "../errors.ts";
import type { Target } from "../target.ts";
import { fromLibrary } from "./call-errors.ts";
import type { StreamCall, UnaryCall } from "./interceptor.ts";

/** Sends a call once. Rejects with ApiError. */
export async function sendUnary(client: grpc.Client, call: UnaryCall, target: Target, clock: Clock): Promise<Message> {
  call.signal.throwIfAborted();
  const request = encode(call);
  const metadata = metadataOf(call);
  const leftMs = call.deadlineMs - clock.monotonicMs();
  const reply = await new Promise<Buffer | undefined>((resolve, reject) => {
    const cancel = () => library.cancel();
    const finish = (error: grpc.ServiceError | null, bytes: Buffer | undefined) => {
      call.signal.removeEventListener("abort", cancel);
      if (error === null) resolve(bytes);
      else reject(call.signal.aborted ? call.signal.reason : fromLibrary(error, call.name, target));
    };
    const options = { deadline: new Date(clock.wallUs() / 1_000 + leftMs) };
    const library = client.makeUnaryRequest(`/${call.name}`, same, same, request, metadata, options, finish);
    call.signal.addEventListener("abort", cancel);
  });
  return decode(call, reply ?? new Uint8Array());
}

/** Opens a stream once; `onOpen` tells that the server has answered. Throws ApiError while iterated. */
export async function* readStream(
  client: grpc.Client,
  call: StreamCall,
  target: Target,
  onOpen: () => void,
): AsyncGenerator<Message> {
  call.signal.throwIfAborted();
  const library = client.makeServerStreamRequest(`/${call.name}`, same, same, encode(call), metadataOf(call));
  // An error that nobody listens to would end the process; that the loop below always does is the runtime's own affair.
  library.on("error", () => {});
  library.once("metadata", onOpen);
  const cancel = () => library.cancel();
  call.signal.addEventListener("abort", cancel);
  try {
    for await (const bytes of library) {
      // What came before the end is of no use to a reader that is to stop.
      if (call.signal.aborted) break;
      yield decode(call, bytes);
    }
  } catch (error) {
    if (!call.signal.aborted) throw fromLibrary(error, call.name, target);
  } finally {
    call.signal.removeEventListener("abort", cancel);
    library.cancel();
  }
  if (call.signal.aborted) throw call.signal.reason;
}

const same = (bytes: Buffer): Buffer => bytes;

function encode({ method, request, name }: UnaryCall | StreamCall): Buffer {
  try {
    return Buffer.from(toBinary<DescMessage>(method.input, request));
  } catch (error) {
    throw refused("request", error, name);
  }
}

function metadataOf({ metadata, name }: UnaryCall | StreamCall): grpc.Metadata {
  const library = new grpc.Metadata();
  try {
    for (const [key, value] of Object.entries(metadata)) library.set(key, value);
  } catch (error) {
    throw refused("metadata", error, name);
  }
  return library;
}

function decode({ method, name }: UnaryCall | StreamCall, bytes: Uint8Array): Message {
  try {
    return fromBinary(method.output, bytes);
  } catch (error) {
    const details = `the server's ${method.output.typeName} is not well-formed: ${wordsOf(error)}`;
    throw new ApiError("INTERNAL", details, name, { cause: error });
  }
}

function refused(what: string, error: unknown, method: string): ApiError {
  return new ApiError("INVALID_ARGUMENT", `${what}: ${wordsOf(error)}`, method, { cause: error });
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
