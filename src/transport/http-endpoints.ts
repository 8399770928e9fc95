import type { IncomingMessage, ServerResponse } from "node:http";
import type { Scheduler } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import { type HttpListener, listenHttp } from "./http-listener.ts";

export interface HealthCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly reason: string;
}

export interface HealthReport {
  readonly ok: boolean;
  readonly checks: readonly HealthCheck[];
}

export interface HttpEndpointsOptions {
  /** --http-host; "" for all addresses, of IPv4 and IPv6 alike. */
  readonly host: string;
  /** --health-port and --metrics-port; 0 picks a free one. */
  readonly healthPort: number;
  readonly metricsPort: number;
  readonly livez: () => HealthReport;
  readonly readyz: () => HealthReport;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly log: Logger;
  readonly scheduler: Scheduler;
}

export interface HttpEndpoints extends AsyncDisposable {
  /** The ports that were bound. */
  readonly healthPort: number;
  readonly metricsPort: number;
}

/** Serves /healthz, /livez and /readyz on one port and /metrics on the other. Throws ListenError naming the flag. */
export async function createHttpEndpoints(options: HttpEndpointsOptions): Promise<HttpEndpoints> {
  const { host, log, scheduler } = options;
  const health = await listenHttp({
    host,
    port: options.healthPort,
    flag: "--health-port",
    log,
    scheduler,
    // /healthz is the older name of /livez.
    routes: {
      "/healthz": healthRoute(options.livez),
      "/livez": healthRoute(options.livez),
      "/readyz": healthRoute(options.readyz),
    },
  });
  let metrics: HttpListener;
  try {
    const routes = { "/metrics": metricsRoute(options.metrics) };
    metrics = await listenHttp({ host, port: options.metricsPort, flag: "--metrics-port", log, scheduler, routes });
  } catch (error) {
    await health[Symbol.asyncDispose]();
    throw error;
  }
  return {
    healthPort: health.port,
    metricsPort: metrics.port,
    async [Symbol.asyncDispose]() {
      await Promise.all([health[Symbol.asyncDispose](), metrics[Symbol.asyncDispose]()]);
    },
  };
}

function healthRoute(check: () => HealthReport) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const report = check();
    response.statusCode = report.ok ? 200 : 503;
    response.setHeader("cache-control", "no-store");
    if (new URLSearchParams(request.url?.split("?")[1]).has("verbose")) {
      response.setHeader("content-type", "application/json");
      response.end(`${JSON.stringify(report)}\n`);
      return;
    }
    const failed = report.checks.filter(({ ok }) => !ok).map(({ reason }) => reason);
    response.setHeader("content-type", "text/plain; charset=utf-8");
    response.end(report.ok ? "ok\n" : `${failed.join("; ")}\n`);
  };
}

function metricsRoute(metrics: HttpEndpointsOptions["metrics"]) {
  return async (_request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const text = await metrics.text();
    response.setHeader("content-type", metrics.contentType);
    response.end(text);
  };
}
