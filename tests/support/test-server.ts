import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, systemScheduler } from "../../src/base/clock.ts";
import { createLogWriter } from "../../src/base/log-writer.ts";
import { startServer } from "../../src/server/app.ts";
import { createConfig } from "../../src/server/config.ts";
import { SERVE_FLAGS } from "../../src/server/flags.ts";
import { parseFlags } from "../../src/server/flags-parse.ts";
import type { Store } from "../../src/store/store.ts";
import { scrape } from "./metrics.ts";

/** The whole server inside the test's process, on real sockets: for tests that need to reach into the store. */
export interface TestServer {
  readonly unixTarget: string;
  readonly tcpTarget: string;
  readonly healthUrl: string;
  /** Without a slash at the end. */
  readonly uiUrl: string;
  readonly store: Store;
  /** What was logged, in JSON. */
  readonly logLines: readonly string[];
  /** The sum over all series of a metric. */
  metric(name: string, labels?: string): Promise<number>;
  stop(): Promise<void>;
}

export async function startTestServer(args: readonly string[] = []): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), "das-"));
  const socket = join(folder, "device.sock");
  const quick = ["--shutdown-delay=0", "--shutdown-timeout=5", "--http-host=127.0.0.1", "--node-name=test"];
  const free = [`--unix-socket=${socket}`, "--grpc-address=127.0.0.1:0", "--ui-address=127.0.0.1:0"];
  const ports = ["--health-port=0", "--metrics-port=0"];
  const { values } = parseFlags(SERVE_FLAGS, [...quick, ...free, ...ports, ...args], {});
  const uid = process.getuid?.() ?? 0;
  const config = createConfig(values, { hostname: "test", uid, groupId: () => undefined }, "0.0.0-test");
  const logLines: string[] = [];
  const log = createLogWriter({
    format: "json",
    verbosity: config.log.verbosity,
    clock: systemClock,
    sink: (line) => logLines.push(line),
  });
  const self = { command: [process.execPath, join(import.meta.dir, "../../src/main.ts")], env: Bun.env } as const;
  const io = { log, clock: systemClock, scheduler: systemScheduler, random: Math.random, self, onSignal: () => {} };
  const server = await startServer(config, io);
  const { tcp, ui, healthPort, metricsPort } = server.addresses;
  return {
    unixTarget: `unix://${socket}`,
    tcpTarget: tcp ?? "",
    healthUrl: `http://127.0.0.1:${healthPort}`,
    uiUrl: `http://${ui}`,
    store: server.store,
    logLines,
    metric: (name, labels) => scrape(metricsPort, name, labels),
    async stop() {
      await server.stop("test");
      await rm(folder, { recursive: true, force: true });
    },
  };
}
