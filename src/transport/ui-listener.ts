import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock, Scheduler } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import { StatusError } from "../base/status-error.ts";
import type { ApiOperation, ApiRequest, JsonOperation, StreamOperation } from "../service/json-api/operation.ts";
import { createHttpConnections, type HttpConnections, type HttpExchange } from "./http-connections.ts";
import { HttpEventStream, type StreamEnding } from "./http-event-stream.ts";
import type { Page } from "./page.ts";
import { createResponseScope } from "./response-scope.ts";
import { bindTcp } from "./tcp-bind.ts";
import { answerRefusal, refusalFrom, refusalText, sendPieces, writeHead } from "./ui-answer.ts";
import { createHostRule, type HostRule, type Refusal, refusalOf } from "./ui-guard.ts";
import { createRouter, type RouteMatch, type Router, readRequest } from "./ui-router.ts";

export interface UiListenerOptions {
  /** --ui-address. */
  readonly address: { readonly host: string; readonly port: number; readonly loopback: boolean };
  readonly page: Page;
  readonly operations: readonly ApiOperation[];
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Logger;
  /** A request has ended, by its operation's path ("/" for the page, "unknown" for none) and HTTP status. */
  onRequest(route: string, status: number): void;
  onStreamOpen(): void;
  onStreamEnd(ending: StreamEnding): void;
  /** A connection was closed for being one too many. */
  onRejected(): void;
}

/** Disposing it ends open streams with a word, and then whatever is left. */
export interface UiListener extends AsyncDisposable {
  /** host:port, with the port that was bound. */
  readonly address: string;
}

/** Connections, as many as people and scripts of one node need; beyond it they are closed when they are accepted. */
export const UI_CONNECTIONS_MAX = 32;
/** Beyond so many, requests are told so. */
export const UI_REQUESTS_MAX = 24;
/** A page that is open is a stream; the rest of the connections is for requests. */
export const UI_STREAMS_MAX = 16;
/** From accept to the last byte, but for streams: a list of 4,096 GPUs, some 3 MB, over a slow port-forward. */
export const UI_CONNECTION_LIFE_MS = 30_000;
/** What a read waits for an update that is under way: longer than a transaction may take (TRANSACTION_MAX_MS). */
const UI_READ_MS = 8_000;
/** What open streams get to take the event that says that the server ends. */
const DRAIN_MS = 1_000;
/** The status of a request whose client left before it was answered, as proxies log it. */
const CLIENT_CLOSED_REQUEST = 499;

/** The page for people and the JSON API below it. Throws ListenError naming the flag. */
export async function listenUi(options: UiListenerOptions): Promise<UiListener> {
  const ui = new Ui(options);
  const { host, port, loopback } = options.address;
  const { server } = ui.connections;
  const address = await bindTcp(server, { host, port, loopback, flag: "--ui-address", off: "no page" });
  server.on("error", (error) => options.log.error("a listener failed", { listener: "ui", error: String(error) }));
  return { address, [Symbol.asyncDispose]: () => ui.stop() };
}

class Ui {
  readonly connections: HttpConnections;
  readonly #streams = new Set<HttpEventStream>();
  readonly #options: UiListenerOptions;
  readonly #route: Router;
  readonly #hosts: HostRule;
  #stopping = false;

  constructor(options: UiListenerOptions) {
    this.#options = options;
    this.#route = createRouter(options.operations);
    this.#hosts = createHostRule(options.address.host, options.address.loopback);
    this.connections = createHttpConnections({
      connectionsMax: UI_CONNECTIONS_MAX,
      lifeMs: UI_CONNECTION_LIFE_MS,
      scheduler: options.scheduler,
      handle: (exchange) => void this.#handle(exchange),
      onUnreadable: (code, socket) => this.#refuseUnreadable(code, socket),
      onRejected: () => options.onRejected(),
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.connections.server.close();
    for (const stream of this.#streams) stream.end(new StatusError("UNAVAILABLE", "the server is shutting down"));
    const ends = [...this.#streams].map((stream) => new Promise<void>((resolve) => stream.onCancel(resolve)));
    const { promise: late, resolve } = Promise.withResolvers<void>();
    using _timer = this.#options.scheduler.setTimer(resolve, DRAIN_MS);
    await Promise.race([Promise.all(ends), late]);
    await this.connections[Symbol.asyncDispose]();
  }

  async #handle(exchange: HttpExchange): Promise<void> {
    const { request, response } = exchange;
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    const match = this.#route(path);
    const route = match?.operation.path ?? (path === "/" ? "/" : "unknown");
    response.on("close", () => {
      this.#options.onRequest(route, response.headersSent ? response.statusCode : CLIENT_CLOSED_REQUEST);
    });
    const refusal = this.#refusalOf(exchange);
    try {
      if (refusal !== undefined) answerRefusal(response, refusal);
      else if (path === "/") this.#sendPage(exchange);
      else if (match === undefined) answerRefusal(response, NOT_FOUND);
      else await this.#operate(exchange, match, query);
    } catch (error) {
      this.#fail(response, error);
    }
  }

  #refusalOf({ request }: HttpExchange): Refusal | undefined {
    if (this.#stopping) return UNAVAILABLE;
    if (this.connections.open > UI_REQUESTS_MAX) return BUSY;
    return refusalOf(request, this.#hosts);
  }

  async #operate(exchange: HttpExchange, match: RouteMatch, query: string): Promise<void> {
    const { request, response } = exchange;
    const scope = createResponseScope(response, this.#options.clock.monotonicMs() + UI_READ_MS);
    const call = readRequest(match, query, request.headers, scope);
    const { operation } = match;
    if (operation.kind === "stream") await this.#stream(operation, exchange, call);
    else await this.#answer(operation, exchange, call);
  }

  async #answer(operation: JsonOperation, { request, response }: HttpExchange, call: ApiRequest): Promise<void> {
    const pieces = await operation.handle(call);
    writeHead(response, 200, "application/json");
    if (request.method === "HEAD") response.end();
    else await sendPieces(response, pieces);
  }

  async #stream(operation: StreamOperation, exchange: HttpExchange, call: ApiRequest): Promise<void> {
    if (exchange.request.method === "HEAD") {
      writeHead(exchange.response, 200, "text/event-stream");
      exchange.response.end();
      return;
    }
    if (this.#streams.size >= UI_STREAMS_MAX) {
      answerRefusal(exchange.response, TOO_MANY_STREAMS);
      return;
    }
    const { scheduler, onStreamOpen: onOpen, onStreamEnd: onEnd } = this.#options;
    const stream = new HttpEventStream({ exchange, scope: call, scheduler, onOpen, onEnd });
    this.#streams.add(stream);
    stream.onCancel(() => this.#streams.delete(stream));
    try {
      await operation.handle(call, stream);
    } catch (error) {
      stream.end(error instanceof StatusError ? error : this.#internal(error));
    }
  }

  #sendPage({ request, response }: HttpExchange): void {
    const { html, policy } = this.#options.page;
    writeHead(response, 200, "text/html; charset=utf-8", { "content-security-policy": policy });
    response.end(request.method === "HEAD" ? undefined : html);
  }

  #fail(response: ServerResponse, error: unknown): void {
    const status = error instanceof StatusError ? error : this.#internal(error);
    if (response.headersSent) response.destroy();
    else answerRefusal(response, refusalFrom(status));
  }

  #internal(error: unknown): StatusError {
    this.#options.log.error("a request to the page failed", { error: String(error) });
    return new StatusError("INTERNAL", "internal error");
  }

  #refuseUnreadable(code: string, socket: Socket): void {
    const refusal = code === "HPE_HEADER_OVERFLOW" ? HEADERS_TOO_LONG : UNREADABLE;
    this.#options.onRequest("unknown", refusal.status);
    socket.end(refusalText(refusal));
  }
}

const NOT_FOUND: Refusal = {
  status: 404,
  code: "NOT_FOUND",
  message: "there is nothing here; / is the page, and /api/v1/openapi.json describes the API",
};
const HEADERS_TOO_LONG: Refusal = { status: 431, code: "INVALID_ARGUMENT", message: "the headers exceed 16 KiB" };
const UNREADABLE: Refusal = { status: 400, code: "INVALID_ARGUMENT", message: "this is no HTTP/1.1 request" };
const UNAVAILABLE: Refusal = { status: 503, code: "UNAVAILABLE", message: "the server is shutting down" };
const BUSY: Refusal = {
  status: 503,
  code: "RESOURCE_EXHAUSTED",
  message: `more than ${UI_REQUESTS_MAX} connections are open here; try again`,
};
const TOO_MANY_STREAMS: Refusal = {
  status: 503,
  code: "RESOURCE_EXHAUSTED",
  message: `${UI_STREAMS_MAX} pages are open already; close one of them`,
};
