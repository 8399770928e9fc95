import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createNetServer, type Server, type Socket } from "node:net";
import type { Scheduler } from "../base/clock.ts";
import { codeOf } from "./listener.ts";

/** A request, and where its answer goes. */
export interface HttpExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The connection may last: from now on its time does not run out. */
  keepOpen(): void;
}

export interface HttpConnectionsOptions {
  /** More than so many are closed as soon as they are accepted. */
  readonly connectionsMax: number;
  /** From accept to the last byte. */
  readonly lifeMs: number;
  readonly scheduler: Scheduler;
  handle(exchange: HttpExchange): void;
  /** Bytes that are no request, with the parser's code; the socket may be answered and has to be ended. */
  onUnreadable?(code: string, socket: Socket): void;
  /** A connection was closed for being one too many. */
  onRejected?(): void;
}

export interface HttpConnections extends AsyncDisposable {
  /** Not listening yet. */
  readonly server: Server;
  readonly open: number;
}

/** What a client may send before it has read that the connection closes; each is some kilobytes until then. */
const EARLY_REQUESTS_MAX = 16;

/**
 * HTTP/1.1 on bounded connections of one request each: nothing is left open that would have to be drained or timed. The
 * runtime's own HTTP server ends neither a connection that sends nothing nor one that never completes its headers, and
 * has no cap; so connections are accepted here, and handed to it.
 */
export function createHttpConnections(options: HttpConnectionsOptions): HttpConnections {
  const timers = new Map<Socket, Disposable>();
  const asked = new WeakMap<Socket, number>();
  const http = createHttpServer((request, response) => {
    const { socket } = request;
    const before = asked.get(socket) ?? 0;
    asked.set(socket, before + 1);
    // The connection ends with the answer to the first. Requests that pile up behind one that lasts end it at once.
    if (before > 0) {
      if (before > EARLY_REQUESTS_MAX) socket.destroy();
      return;
    }
    response.setHeader("connection", "close");
    options.handle({ request, response, keepOpen: () => timers.get(socket)?.[Symbol.dispose]() });
  });
  const { onUnreadable } = options;
  if (onUnreadable !== undefined) {
    http.on("clientError", (error, socket) => onUnreadable(codeOf(error), socket as Socket));
  }
  const server = createNetServer((socket) => {
    timers.set(
      socket,
      options.scheduler.setTimer(() => socket.destroy(), options.lifeMs),
    );
    socket.on("close", () => {
      timers.get(socket)?.[Symbol.dispose]();
      timers.delete(socket);
    });
    // A peer that resets its connection is no event; without a listener it would be an uncaught error.
    socket.on("error", () => {});
    http.emit("connection", socket);
  });
  server.maxConnections = options.connectionsMax;
  server.on("drop", () => options.onRejected?.());
  return {
    server,
    get open() {
      return timers.size;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of [...timers.keys()]) socket.destroy();
      await closed;
    },
  };
}
