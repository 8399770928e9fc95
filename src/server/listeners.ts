import type { Socket } from "node:net";
import type { Clock, Scheduler } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Peer } from "../service/peer.ts";
import { type ConnectionGate, createConnectionGate, type GateRejection } from "../transport/connection-gate.ts";
import { listenTcp } from "../transport/tcp-listener.ts";
import { listenUnix } from "../transport/unix-listener.ts";
import type { Config } from "./config.ts";

export interface GateOptions {
  readonly config: Config["grpc"];
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Logger;
  onConnection(socket: Socket, peer: Peer): void;
  onRejected(reason: GateRejection): void;
}

/** One gate for all listeners: the caps count what comes in through any of them. */
export function createGate({ config, ...options }: GateOptions): ConnectionGate {
  const { maxConnections, maxConnectionsPerUid } = config;
  return createConnectionGate({ ...options, maxConnections, maxConnectionsPerUid });
}

/** The open listeners; disposing them stops accepting and leaves open connections alone. */
export interface Listeners extends AsyncDisposable {
  /** host:port with the port that was bound; undefined where TCP is off. */
  readonly tcpAddress: string | undefined;
}

/** Opens every listener, or throws ListenError and leaves none open. */
export async function openListeners(
  config: Config,
  gate: ConnectionGate,
  { scheduler, log }: { readonly scheduler: Scheduler; readonly log: Logger },
): Promise<Listeners> {
  const { tcp, unixSockets, socketGid } = config.grpc;
  await using opening = new AsyncDisposableStack();
  const common = { gate, scheduler, log };
  for (const path of unixSockets) {
    opening.use(await listenUnix({ ...common, path, ownUid: config.serverUid, gid: socketGid }));
  }
  const tcpListener = tcp && opening.use(await listenTcp({ ...tcp, gate, log }));
  const open = opening.move();
  return { tcpAddress: tcpListener?.address, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
