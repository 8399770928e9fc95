import { readFileSync } from "node:fs";
import type { Clock, Scheduler } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import { StatusError } from "../base/status-error.ts";
import { createEventLoopLag, type EventLoopLag } from "../metrics/event-loop-lag.ts";
import { createMetrics, type Metrics } from "../metrics/metrics.ts";
import { shim } from "../native/shim.ts";
import { createStoreHost } from "../provider/store-host.ts";
import { Authority } from "../service/authority.ts";
import { HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX } from "../store/limits.ts";
import { Store } from "../store/store.ts";
import type { ConnectionGate } from "../transport/connection-gate.ts";
import { createGrpcServer, type GrpcServer } from "../transport/grpc-server.ts";
import { createHttpEndpoints } from "../transport/http-endpoints.ts";
import type { Config } from "./config.ts";
import { isServing, livez, readyz } from "./health.ts";
import { createLifecycle, type LifecycleHolder } from "./lifecycle.ts";
import { createGate, type Listeners, openListeners } from "./listeners.ts";
import { type BuiltinProviders, createProviders } from "./providers.ts";
import { createServiceManager } from "./service-manager.ts";
import { createServices, type Services, WATCH_METHOD } from "./services.ts";
import { openUi } from "./ui.ts";

export type StopSignal = "SIGTERM" | "SIGINT";

/** What the server needs of the process round it. */
export interface ServerIo {
  readonly log: Logger;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** In [0, 1). */
  readonly random: () => number;
  /** How to start this program again, for a process between it and the driver. */
  readonly self: {
    readonly command: readonly [string, ...string[]];
    /** The name that it goes by in lists of processes; undefined for the first word of the command. */
    readonly argv0?: string;
    readonly env: Readonly<Record<string, string | undefined>>;
  };
  onSignal(listener: (signal: StopSignal) => void): void;
}

/** Where the server can be reached; ports are the ones that were bound. */
export interface ServerAddresses {
  readonly unixSockets: readonly string[];
  /** host:port; undefined where TCP is off. */
  readonly tcp: string | undefined;
  /** host:port; undefined where there is no page. */
  readonly ui: string | undefined;
  readonly healthPort: number;
  readonly metricsPort: number;
}

export interface RunningServer {
  readonly addresses: ServerAddresses;
  readonly store: Store;
  /** Drains and closes everything; resolves when nothing is left. A second call waits for the first. */
  stop(reason: string): Promise<void>;
}

/** What closing takes beyond the drain: the NVML host process is left behind after 2 s. */
const CLOSING_MS = 5_000;

/** Serves until a signal; resolves to the exit status. Throws ListenError where an address cannot be had. */
export async function runServer(config: Config, io: ServerIo): Promise<number> {
  const { promise: signalled, resolve } = Promise.withResolvers<StopSignal>();
  io.onSignal(resolve);
  const send = (address: string, message: string) => shim().sendDatagram(address, message);
  using manager = createServiceManager({ env: io.self.env, scheduler: io.scheduler, log: io.log, send });
  const server = await startServer(config, io, signalled);
  if (server === undefined) {
    io.log.info("stopped before it served", { reason: await signalled });
    return 0;
  }
  manager.ready(`serving on ${[...server.addresses.unixSockets, server.addresses.tcp ?? ""].join(" ").trim()}`);
  const signal = await signalled;
  const { delayMs, timeoutMs } = config.shutdown;
  manager.stopping("draining", delayMs + timeoutMs + CLOSING_MS);
  await server.stop(signal);
  return 0;
}

/** Starts every part, in an order in which each finds what it needs; where one fails, those before it are closed. */
export async function startServer(config: Config, io: ServerIo): Promise<RunningServer>;
/** A driver may take seconds to answer: undefined where `stop` comes while that is waited for, and all is closed. */
export async function startServer(
  config: Config,
  io: ServerIo,
  stop: Promise<StopSignal>,
): Promise<RunningServer | undefined>;
export async function startServer(
  config: Config,
  io: ServerIo,
  stop?: Promise<StopSignal>,
): Promise<RunningServer | undefined> {
  const { log, scheduler } = io;
  await using starting = new AsyncDisposableStack();
  const parts = createParts(config, io);
  starting.use(parts.store);
  starting.use(parts.lag);
  const { lifecycle, grpc, gate, services, metrics } = parts;
  const http = starting.use(
    await createHttpEndpoints({
      ...config.http,
      livez: () => livez(lifecycle.state),
      readyz: () => readyz(lifecycle.state),
      metrics,
      log,
      scheduler,
    }),
  );
  starting.use(gate);
  starting.use(grpc);
  for (const provider of Object.values(parts.providers)) {
    if (provider === undefined) continue;
    starting.use(provider);
    const started = provider.start(createStoreHost(parts.store, provider.id, () => metrics.cacheUpdated("set")));
    const signal = await (stop === undefined ? started : Promise.race([started, stop]));
    if (signal !== undefined) return undefined;
  }
  // Last, so that the first consumer finds what the built-in providers know.
  const listeners = starting.use(await openListeners(config, gate, io));
  const ui = starting.use(await openUi(config, { ...parts, events: services.events }, io));
  lifecycle.onChange((state) => services.setServing(isServing(state)));
  lifecycle.send({ type: "started" });
  const { healthPort, metricsPort } = http;
  const { unixSockets } = config.grpc;
  const addresses = { unixSockets, tcp: listeners.tcpAddress, ui: ui?.address, healthPort, metricsPort };
  log.info("serving", { ...addresses, unixSockets: unixSockets.join(",") });
  const open = starting.move();
  let stopped: Promise<void> | undefined;
  return {
    addresses,
    store: parts.store,
    stop(reason) {
      stopped ??= stopServer(
        config,
        io,
        { lifecycle, grpc, gate, listeners, ui, nvml: parts.providers.nvml, open },
        reason,
      );
      return stopped;
    },
  };
}

interface Stoppable {
  readonly lifecycle: LifecycleHolder;
  readonly grpc: GrpcServer;
  readonly gate: ConnectionGate;
  readonly listeners: Listeners;
  readonly ui: AsyncDisposable | undefined;
  readonly nvml: AsyncDisposable | undefined;
  readonly open: AsyncDisposableStack;
}

/**
 * Not ready first, and a while for those who look to find out; then nobody is let in, streams end with UNAVAILABLE,
 * calls in flight finish, and what is left then is closed by force.
 */
async function stopServer(config: Config, io: ServerIo, parts: Stoppable, reason: string): Promise<void> {
  const { delayMs, timeoutMs } = config.shutdown;
  const { lifecycle, grpc, gate } = parts;
  io.log.info("draining", { reason, delayMs, timeoutMs });
  lifecycle.send({ type: "stop", reason });
  if (delayMs > 0) await new Promise<void>((resolve) => io.scheduler.setTimer(resolve, delayMs));
  gate.refuseNew();
  await parts.listeners[Symbol.asyncDispose]();
  await parts.nvml?.[Symbol.asyncDispose]();
  const leave = new StatusError("UNAVAILABLE", "the server is shutting down");
  await Promise.all([grpc.drain(leave, timeoutMs), parts.ui?.[Symbol.asyncDispose]()]);
  gate.destroyAll();
  lifecycle.send({ type: "drained" });
  await parts.open.disposeAsync();
  io.log.info("stopped", { reason });
}

interface Parts {
  readonly lifecycle: LifecycleHolder;
  readonly lag: EventLoopLag;
  readonly store: Store;
  readonly metrics: Metrics;
  readonly services: Services;
  readonly providers: BuiltinProviders;
  readonly gate: ConnectionGate;
  readonly grpc: GrpcServer;
}

/** Everything that can be made without touching the outside. */
function createParts(config: Config, io: ServerIo): Parts {
  const { log, clock, scheduler } = io;
  const providers = createProviders(config, io);
  const lag = createEventLoopLag(clock, scheduler);
  let watches = 0;
  const store = createStore(config, io, () => metrics);
  const services = createServices({
    store,
    clock,
    log,
    providers: Object.values(providers).filter((provider) => provider !== undefined),
    simulation: providers.simulated,
    onUpdate: (operation) => metrics.cacheUpdated(operation),
  });
  const metrics: Metrics = createMetrics({
    version: config.version,
    node: config.nodeName,
    methods: services.methods,
    sources: {
      gpus: () => store.stats().gpus,
      resourceVersion: () => store.stats().version,
      watchStreams: () => watches,
      providers: () => store.stats().providers,
      connections: () => gate.open(),
      eventLoopLag: () => lag,
      nvml: () => providers.nvml?.facts(),
    },
  });
  const authority = new Authority({
    ...config.authority,
    serverUid: config.serverUid,
    overflowUid: readOverflowUid(),
    clock,
    log,
    onDenied: (method, rule) => metrics.permissionDenied(method, rule),
  });
  const countWatch = (method: string, by: number) => {
    if (method === WATCH_METHOD) watches += by;
  };
  const gate = createGate({
    config: config.grpc,
    clock,
    scheduler,
    log,
    onConnection: (socket, peer) => grpc.addConnection(socket, peer),
    onRejected: (reason) => metrics.connectionRejected(reason),
  });
  const grpc: GrpcServer = createGrpcServer({
    methods: services.methods,
    authorize: (method, peer) => authority.authorize(method, peer),
    clock,
    scheduler,
    log,
    onCallEnd: (end) => metrics.callEnded(end),
    onStreamOpen: (method) => countWatch(method, 1),
    onStreamClose: (method) => countWatch(method, -1),
    maxReceiveBytes: config.grpc.maxMessageBytes,
  });
  return { lifecycle: createLifecycle(), lag, store, metrics, services, providers, gate, grpc };
}

function createStore(config: Config, { log, clock, scheduler }: ServerIo, metrics: () => Metrics): Store {
  return new Store({
    clock,
    scheduler,
    rules: config.conditions,
    leaseMs: config.providerLeaseMs,
    bound: new Map([...config.authority.boundProviders].map(([id, uid]) => [id, `uid:${uid}`])),
    history: { events: HISTORY_EVENTS_MAX, bytes: HISTORY_BYTES_MAX },
    observer: {
      eventSent: (type) => metrics().watchEventSent(type),
      watcherExpired: () => metrics().watchStreamExpired(),
      providerLost(id, gpus) {
        metrics().leaseExpired();
        log.warn("provider lost: its lease ran out", { provider: id, gpus });
      },
      rolledBack: (code, message) => log.error("a transaction was rolled back", { code, error: message }),
    },
  });
}

/** The kernel's default, where /proc does not say. */
const OVERFLOW_UID = 65_534;

function readOverflowUid(): number {
  try {
    return Number.parseInt(readFileSync("/proc/sys/kernel/overflowuid", "utf8"), 10);
  } catch {
    return OVERFLOW_UID;
  }
}
