import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server } from "node:net";
import type { Scheduler } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import { createHttpConnections } from "./http-connections.ts";
import { ListenError } from "./listen-error.ts";
import { codeOf } from "./listener.ts";

export type HttpRoute = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export interface HttpListenerOptions {
  readonly host: string;
  readonly port: number;
  /** The flag that gave the port, for messages. */
  readonly flag: string;
  readonly routes: Readonly<Record<string, HttpRoute>>;
  readonly log: Logger;
  readonly scheduler: Scheduler;
}

export interface HttpListener extends AsyncDisposable {
  readonly port: number;
}

/**
 * The ports are open to the pod network, and a runtime without descriptors left spins on its listener. Probes and a few
 * scrapers need a handful of connections; 64 of them are an eighth of the smallest usual descriptor limit (1,024), on
 * two ports.
 */
export const HTTP_CONNECTIONS_MAX = 64;

/**
 * From accept to the last byte. Each connection serves one request, and the longest answer (the metrics, some 20 kB)
 * takes milliseconds; the kubelet's and Prometheus's own limits are 1 s and 10 s.
 */
export const HTTP_CONNECTION_LIFE_MS = 10_000;

/** An HTTP port for probes and scrapes. Throws ListenError naming the flag. */
export async function listenHttp(options: HttpListenerOptions): Promise<HttpListener> {
  const connections = createHttpConnections({
    connectionsMax: HTTP_CONNECTIONS_MAX,
    lifeMs: HTTP_CONNECTION_LIFE_MS,
    scheduler: options.scheduler,
    handle: ({ request, response }) => void answer(options, request, response),
  });
  const port = await bind(connections.server, options);
  return { port, [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose]() };
}

/** All addresses first as IPv6 that takes IPv4 too; a kernel without IPv6 gets plain IPv4. */
async function bind(server: Server, options: HttpListenerOptions): Promise<number> {
  const hosts = options.host === "" ? ["::", "0.0.0.0"] : [options.host];
  let failure: unknown;
  for (const host of hosts) {
    try {
      return await bindTo(server, host, options.port);
    } catch (error) {
      failure = error;
      if (!NO_IPV6.has(codeOf(error))) break;
    }
  }
  throw new ListenError(describeFailure(options, failure));
}

const NO_IPV6: ReadonlySet<string> = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"]);

function bindTo(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      // Later errors of the listener (accept failures) must not end the process.
      server.on("error", () => {});
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

function describeFailure({ host, port, flag }: HttpListenerOptions, error: unknown): string {
  const where = `${flag}: cannot listen on port ${port}${host === "" ? "" : ` of ${host}`}`;
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return `${where}: another process uses it; choose another port`;
    case "EACCES":
      return `${where}: ports below 1024 need privileges; choose a higher one`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    // The runtime gives no code where a name cannot be resolved.
    case "":
      return `${where}: --http-host is no address of this machine`;
    default:
      return `${where}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function answer(options: HttpListenerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const path = request.url?.split("?")[0] ?? "";
    const route = options.routes[path];
    if (route === undefined) {
      refuse(response, 404, `not found; there is ${Object.keys(options.routes).join(", ")}`);
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      refuse(response, 405, "GET and HEAD only");
    } else {
      await route(request, response);
    }
  } catch (error) {
    options.log.error("an HTTP request failed", { flag: options.flag, error: String(error) });
    if (!response.headersSent) refuse(response, 500, "internal error");
  }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end(`${text}\n`);
}
