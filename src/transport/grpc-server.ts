import type { Socket } from "node:net";
import { StatusError } from "../base/status-error.ts";
import type { Method } from "../service/call.ts";
import { describePeer, type Peer } from "../service/peer.ts";
import {
  type AdapterHost,
  type CallAdapter,
  type CallParts,
  DuplexAdapter,
  ServerStreamAdapter,
  UnaryAdapter,
} from "./grpc-adapter.ts";
import { CallTable } from "./grpc-call-table.ts";
import { GrpcConnection } from "./grpc-connection.ts";
import { drainCalls } from "./grpc-drain.ts";
import { GrpcExchange } from "./grpc-exchange.ts";
import { type GrpcServerOptions, http2Limits, MESSAGE_MAX_BYTES } from "./grpc-options.ts";
import { refuseUnknownMethod, refuseUnreadable } from "./grpc-refusal.ts";
import { readRequest } from "./grpc-request.ts";
import type { HeaderField } from "./hpack-decoder.ts";
import { Http2Connection } from "./http2-connection.ts";
import type { Http2Stream, StreamEvents } from "./http2-stream.ts";
import { ConnectionSweep } from "./http2-sweep.ts";

export interface GrpcServer extends Disposable {
  /** Takes over an accepted connection, from its first byte. */
  addConnection(socket: Socket, peer: Peer): void;
  /**
   * New calls get `status`, open streams end with it, calls in flight may finish until the timeout and end with it
   * then. Resolves when every connection is closed; at most about two seconds after the timeout.
   */
  drain(status: StatusError, timeoutMs: number): Promise<void>;
  /** How many calls are open now. */
  readonly openCalls: number;
}

/** The gRPC side of the server: everything between an accepted socket and the services' handlers. */
export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  const { clock, scheduler, log } = options;
  const table = new CallTable(options);
  const sweep = new ConnectionSweep(scheduler);
  const limits = http2Limits(options);
  const requests = createRequestHandler(options, table);
  let drained: Promise<void> | undefined;
  let isStopped = false;
  const stop = () => {
    isStopped = true;
    for (const connection of sweep.connections()) connection.destroy();
    sweep[Symbol.dispose]();
    table[Symbol.dispose]();
  };

  return {
    get openCalls() {
      return table.size;
    },
    addConnection(socket, peer) {
      // The connection's end shows in its calls; an error without a listener would end the process.
      socket.on("error", () => {});
      if (isStopped) {
        socket.destroy();
        return;
      }
      const http2 = new Http2Connection(
        socket,
        {
          request: (stream, fields) => requests(connection, stream, fields),
          readDone: () => table.readDone(),
          closed: (closed) => sweep.delete(closed),
          failed: (error) => log.error("a connection failed", { error: String(error), peer: connection.caller }),
        },
        limits,
      );
      const connection = new GrpcConnection(http2, peer, log);
      sweep.add(http2, (why) => log.info(`${why}: connection closed`, { peer: describePeer(peer) }));
    },
    drain(status, timeoutMs) {
      table.refuseWith(status);
      drained ??= drainCalls({ table, sweep, clock, scheduler, status, timeoutMs }).finally(stop);
      return drained;
    },
    [Symbol.dispose]: stop,
  };
}

type RequestHandler = (
  connection: GrpcConnection,
  stream: Http2Stream,
  fields: readonly HeaderField[] | undefined,
) => StreamEvents;

/** From the headers of a request to whoever takes the rest of it. */
function createRequestHandler(options: GrpcServerOptions, table: CallTable): RequestHandler {
  const methods = new Map(options.methods.map((method) => [method.name, method]));
  const { maxReceiveBytes = MESSAGE_MAX_BYTES, maxSendBytes = MESSAGE_MAX_BYTES } = options;
  const host: AdapterHost = {
    log: options.log,
    maxSendBytes,
    admit: () => table.admit(),
    admitWaitingReply: (call, bytes) => table.admitWaitingReply(call, bytes),
    waitingRepliesSent: (call) => table.waitingRepliesSent(call),
    streamOpened: (call) => table.streamOpened(call),
    received: (call) => table.received(call),
  };
  return (connection, stream, fields) => {
    const request = fields && readRequest(fields);
    if (refuseUnreadable(stream, fields, request) || request === undefined) return stream.events;
    const method = methods.get(request.method);
    if (method === undefined) {
      refuseUnknownMethod(stream, request.method);
      return stream.events;
    }
    stream.expectedBytes = request.contentLength;
    const adapter = createAdapter(method, host, {
      exchange: (events) =>
        new GrpcExchange(stream, events, {
          encoding: request.encoding,
          bytesMax: Math.min(maxReceiveBytes, method.requestBytesMax ?? maxReceiveBytes),
          isSingle: method.kind !== "duplex",
        }),
      call: (answer) => table.open(method, connection, request.timeoutMs, answer),
    });
    stream.events = adapter.events;
    table.start(adapter.call);
    if (request.hasBadTimeout) adapter.call.abort(new StatusError("INVALID_ARGUMENT", "malformed grpc-timeout"));
    if (adapter instanceof DuplexAdapter) adapter.open();
    return adapter.events;
  };
}

function createAdapter(method: Method, host: AdapterHost, parts: CallParts): CallAdapter {
  switch (method.kind) {
    case "unary":
      return new UnaryAdapter(method, host, parts);
    case "server-stream":
      return new ServerStreamAdapter(method, host, parts);
    case "duplex":
      return new DuplexAdapter(method, host, parts);
  }
}
