import type { Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { assert } from "../base/assert.ts";
import type { Logger } from "../base/log.ts";
import type { StatusError } from "../base/status-error.ts";
import type { Method } from "../service/call.ts";
import type { Peer } from "../service/peer.ts";
import { type AdapterHost, adapt } from "./grpc-adapter.ts";
import type { OpenCall } from "./grpc-call.ts";
import { CallTable, connectionCarrier } from "./grpc-call-table.ts";
import { drainCalls } from "./grpc-drain.ts";
import { createCallInterceptor } from "./grpc-interceptor.ts";
import { channelOptions, type GrpcServerOptions } from "./grpc-options.ts";
import { createReceiveGuard } from "./grpc-receive-guard.ts";
import { createStallGuard } from "./grpc-stall-guard.ts";

export interface GrpcServer extends Disposable {
  /** Takes over an accepted connection. Its peer is in the registry already. */
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
  const guards = { stall: createStallGuard(clock, scheduler), receive: createReceiveGuard(scheduler) };
  const table = new CallTable(options, guards);
  const byMetadata = new WeakMap<grpc.Metadata, OpenCall>();
  const interceptor = createCallInterceptor(
    (opening) => table.open(opening),
    (metadata, call) => {
      byMetadata.set(metadata, call);
      table.started(call);
    },
  );
  const callOf = (metadata: grpc.Metadata): OpenCall => {
    const call = byMetadata.get(metadata);
    assert(call !== undefined, "the interceptor has seen every call");
    return call;
  };

  routeLibraryLog(log);
  const library = new grpc.Server({ ...channelOptions(options), interceptors: [interceptor] });
  registerAll(library, options.methods, {
    log,
    callOf,
    admit: (call) => table.admit(call),
    admitReply: (call, bytes) => table.admitReply(call, bytes),
    streamOpened: (call) => table.streamOpened(call),
  });
  const injector = library.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  let drained: Promise<void> | undefined;
  let stopped = false;
  const stop = () => {
    stopped = true;
    guards.stall[Symbol.dispose]();
    guards.receive[Symbol.dispose]();
    library.forceShutdown();
  };

  return {
    get openCalls() {
      return table.calls.size;
    },
    addConnection(socket, peer) {
      // The connection's end shows in its calls; an error without a listener would end the process.
      socket.on("error", () => {});
      if (stopped) {
        socket.destroy();
        return;
      }
      Object.defineProperty(socket, "remoteAddress", { value: connectionCarrier(peer.connection), configurable: true });
      injector.injectConnection(socket);
    },
    drain(status, timeoutMs) {
      table.refuseWith(status);
      drained ??= drainCalls({ calls: table.calls, library, clock, scheduler, status, timeoutMs }).finally(stop);
      return drained;
    },
    [Symbol.dispose]: stop,
  };
}

/**
 * The library writes to stderr by itself, hostile header text included, and for every call that brings some. Its logger
 * is one for the process; the last server made has it.
 */
function routeLibraryLog(log: Logger): void {
  const write = (...parts: unknown[]) => log.debug(1, "gRPC library", { text: parts.join(" ") });
  grpc.setLogger({ error: write, info: write, debug: write });
}

const identity = (bytes: Buffer): Buffer => bytes;

function registerAll(library: grpc.Server, methods: readonly Method[], host: AdapterHost): void {
  for (const method of methods) {
    const path = `/${method.name}`;
    const definition = {
      path,
      requestStream: method.kind === "duplex",
      responseStream: method.kind !== "unary",
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    };
    library.addService({ [path]: definition }, { [path]: adapt(method, host) });
  }
}
