import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { StatusError } from "../../src/base/status-error.ts";
import { compileProto } from "../../src/testing/compile-proto.ts";
import { GrpcExchange } from "../../src/transport/grpc-exchange.ts";
import { refuseUnknownMethod, refuseUnreadable } from "../../src/transport/grpc-refusal.ts";
import { readRequest } from "../../src/transport/grpc-request.ts";
import type { HeaderField } from "../../src/transport/hpack-decoder.ts";
import { Http2Connection } from "../../src/transport/http2-connection.ts";
import type { Http2Stream, StreamEvents } from "../../src/transport/http2-stream.ts";
import { type Header, Messages } from "./conformance-messages.ts";
import { ConformanceCall, KINDS, SINGLE } from "./conformance-service.ts";

/**
 * The server under test of connectconformance, on our transport from the exchange down. Argument: the folder of the
 * suite's protos. It reads one request of the runner, answers where it listens, and serves until it is ended.
 */

const FOLDER = process.argv[2] ?? "";
const PROTOS = "connectrpc/conformance/v1";
const SERVICE = "connectrpc.conformance.v1.ConformanceService";
const MIB = 2 ** 20;
/** google.rpc.Status, which the suite's protos have no need of and its errors do. */
const STATUS = `syntax = "proto3"; package google.rpc; import "google/protobuf/any.proto";
message Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; }`;

const files = readdirSync(join(FOLDER, PROTOS)).map((name) => join(PROTOS, name));
const messages = new Messages(
  compileProto({
    ...Object.fromEntries(files.map((path) => [path, readFileSync(join(FOLDER, path), "utf8")])),
    "google/rpc/status.proto": STATUS,
  }),
);
const { messageReceiveLimit = 4 * MIB } = messages.decode("ServerCompatRequest", await readSized()) as {
  messageReceiveLimit?: number;
};

const listener = createServer((socket) => {
  socket.on("error", () => {});
  const host = { request, readDone() {}, closed() {}, failed: (error: unknown) => console.error(error) };
  new Http2Connection(socket, host, {
    streamsMax: 1_000,
    headerBytesMax: 64 * 1024,
    streamWindow: 64 * 1024,
    connectionWindow: MIB,
    grantedBytesMax: 2 * messageReceiveLimit,
  });
});
await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
const { port } = listener.address() as { port: number };
writeSized(messages.encode("ServerCompatResponse", { host: "127.0.0.1", port }));

function request(stream: Http2Stream, fields: readonly HeaderField[] | undefined): StreamEvents {
  const read = fields && readRequest(fields);
  if (refuseUnreadable(stream, fields, read) || read === undefined) return stream.events;
  const kind = KINDS.find((name) => read.method === `${SERVICE}/${name}`);
  if (kind === undefined) {
    refuseUnknownMethod(stream, read.method);
    return stream.events;
  }
  stream.expectedBytes = read.contentLength;
  const of = { headers: headersOf(fields ?? []), timeoutMs: read.timeoutMs };
  const options = { encoding: read.encoding, bytesMax: messageReceiveLimit, isSingle: SINGLE.includes(kind) };
  const call = new ConformanceCall(kind, messages, of, (events) => new GrpcExchange(stream, events, options));
  stream.events = call.exchange;
  if (read.hasBadTimeout) call.broken(new StatusError("INVALID_ARGUMENT", "malformed grpc-timeout"));
  return call.exchange;
}

function headersOf(fields: readonly HeaderField[]): readonly Header[] {
  const byName = Map.groupBy(
    fields.filter(({ name }) => !name.startsWith(":")),
    ({ name }) => name,
  );
  return [...byName].map(([name, of]) => ({ name, value: of.map(({ value }) => value) }));
}

/** One message of the runner: four bytes of length, and it. */
async function readSized(): Promise<Uint8Array> {
  let all = Buffer.alloc(0);
  for await (const chunk of Bun.stdin.stream()) {
    all = Buffer.concat([all, chunk]);
    if (all.length >= 4 && all.length >= 4 + all.readUInt32BE(0)) break;
  }
  return all.subarray(4);
}

function writeSized(bytes: Uint8Array): void {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  process.stdout.write(Buffer.concat([length, bytes]));
}
