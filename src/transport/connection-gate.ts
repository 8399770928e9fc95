import type { Server, Socket } from "node:net";
import type { Clock, Scheduler } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import { type PeerCredentials, shim } from "../native/shim.ts";
import { describePeer, identityOf, type Peer } from "../service/peer.ts";
import { formatAddress } from "./address.ts";
import { capConnections, readDescriptorLimit } from "./descriptor-limit.ts";
import { awaitHandshake } from "./handshake.ts";

/** Why a connection is turned away. */
export type GateRejection = "total" | "uid" | "handshake" | "peer" | "draining";

export interface ConnectionGateOptions {
  /** Over all listeners; lowered where the process may not open as many descriptors. */
  readonly maxConnections: number;
  /** Of one uid. All of TCP counts as one: who is behind it is not known. */
  readonly maxConnectionsPerUid: number;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Logger;
  /** Takes the connection over. It is in the registry already; what has been read of it follows as its first data. */
  readonly onConnection: (socket: Socket, peer: Peer) => void;
  readonly onRejected?: (reason: GateRejection) => void;
  /** Default: HANDSHAKE_MS. */
  readonly handshakeMs?: number;
  /** Default: RLIMIT_NOFILE. */
  readonly descriptorLimit?: number;
  /** Default: SO_PEERCRED and SO_PEERGROUPS, by the shim. */
  readonly readPeer?: (fd: number) => PeerCredentials;
}

/** Where a listener's connections come from. */
export type Origin = { readonly kind: "unix" } | { readonly kind: "tcp"; readonly loopback: boolean };

/** Every connection of every listener passes here, and is counted from accept to close. */
export interface ConnectionGate extends Disposable {
  /** A connection that is open, by its number. */
  get(connection: number): { readonly peer: Peer; destroy(): void } | undefined;
  /** What maxConnections came to. */
  readonly maxConnections: number;
  /** From now on this listener's connections pass the gate. `label` is its name in logs and metrics. */
  attach(server: Server, label: string, origin: Origin): void;
  /** How many are open, for each listener that was attached. */
  open(): ReadonlyMap<string, number>;
  /** Whoever connects from now on, or has not finished its handshake, is turned away; the others stay. */
  refuseNew(): void;
  destroyAll(): void;
}

/** From accept to the end of the client's SETTINGS. A client on this machine needs milliseconds. */
export const HANDSHAKE_MS = 10_000;
/** A flood of refused connections must not become a flood of lines. */
const LOG_PERIOD_MS = 60_000;

export function createConnectionGate(options: ConnectionGateOptions): ConnectionGate {
  return new Gate(options);
}

interface Connection {
  readonly peer: Peer;
  readonly label: string;
  readonly socket: Socket;
  destroy(): void;
}

interface Silence {
  readonly untilMs: number;
  unlogged: number;
}

class Gate implements ConnectionGate {
  readonly maxConnections: number;
  readonly #options: ConnectionGateOptions;
  readonly #connections = new Map<number, Connection>();
  readonly #shaking = new Map<number, Disposable>();
  readonly #byIdentity = new Map<string, number>();
  readonly #byLabel = new Map<string, number>();
  readonly #silences = new Map<GateRejection, Silence>();
  #accepted = 0;
  #refusing = false;

  constructor(options: ConnectionGateOptions) {
    const descriptors = options.descriptorLimit ?? readDescriptorLimit();
    this.#options = options;
    this.maxConnections = capConnections(options.maxConnections, descriptors);
    if (this.maxConnections === options.maxConnections) return;
    const { maxConnections: lowered } = this;
    options.log.warn("fewer connections than asked for: the limit of open files is low", { lowered, descriptors });
  }

  get(connection: number): Connection | undefined {
    return this.#connections.get(connection);
  }

  attach(server: Server, label: string, origin: Origin): void {
    this.#byLabel.set(label, this.#byLabel.get(label) ?? 0);
    // A listener that has as many as all may have: the runtime closes the next ones before they cost an object.
    server.maxConnections = this.maxConnections;
    server.on("drop", () => this.#reject("total", label));
    server.on("connection", (socket) => this.#accept(socket, label, origin));
  }

  open(): ReadonlyMap<string, number> {
    return new Map(this.#byLabel);
  }

  refuseNew(): void {
    this.#refusing = true;
    for (const connection of [...this.#shaking.keys()]) this.#turnAway(connection, "draining");
  }

  destroyAll(): void {
    for (const { socket } of [...this.#connections.values()]) socket.destroy();
  }

  [Symbol.dispose](): void {
    this.refuseNew();
    this.destroyAll();
  }

  #accept(socket: Socket, label: string, origin: Origin): void {
    // A connection's end is no event; an error without a listener would be uncaught.
    socket.on("error", () => {});
    const connection = ++this.#accepted;
    const reason = this.#register(connection, socket, label, origin);
    if (reason === undefined) {
      this.#shakeHands(connection, socket);
      return;
    }
    socket.destroy();
    this.#reject(reason, label);
  }

  /** The reason not to. The cheap questions come first: a flood is refused without a word to the kernel. */
  #register(connection: number, socket: Socket, label: string, origin: Origin): GateRejection | undefined {
    if (this.#refusing) return "draining";
    if (this.#connections.size >= this.maxConnections) return "total";
    const peer = this.#identify(connection, socket, origin);
    if (peer === undefined) return "peer";
    const identity = identityOf(peer);
    if ((this.#byIdentity.get(identity) ?? 0) >= this.#options.maxConnectionsPerUid) return "uid";
    this.#connections.set(connection, { peer, label, socket, destroy: () => socket.destroy() });
    add(this.#byIdentity, identity, 1);
    add(this.#byLabel, label, 1);
    socket.once("close", () => this.#forget(connection));
    return undefined;
  }

  #identify(connection: number, socket: Socket, origin: Origin): Peer | undefined {
    if (origin.kind === "tcp") {
      const address = formatAddress(socket.remoteAddress ?? "unknown", socket.remotePort ?? 0);
      return { kind: "tcp", connection, address, loopback: origin.loopback };
    }
    try {
      const readPeer = this.#options.readPeer ?? shim().peerOf;
      return { kind: "unix", connection, ...readPeer(descriptorOf(socket)) };
    } catch (error) {
      this.#options.log.debug(1, "a peer could not be identified", { connection, error: String(error) });
      return undefined;
    }
  }

  #shakeHands(connection: number, socket: Socket): void {
    const { scheduler, handshakeMs = HANDSHAKE_MS } = this.#options;
    const timer = scheduler.setTimer(() => this.#turnAway(connection, "handshake"), handshakeMs);
    this.#shaking.set(connection, timer);
    const onReady = (received: Buffer) => this.#handOver(connection, received);
    awaitHandshake(socket, onReady, () => this.#turnAway(connection, "handshake"));
  }

  #handOver(connection: number, received: Buffer): void {
    const entry = this.#connections.get(connection);
    if (entry === undefined || !this.#endHandshake(connection)) return;
    this.#options.onConnection(entry.socket, entry.peer);
    // The taker listens for data by now; this is where it would have come from had we not read it first.
    entry.socket.emit("data", received);
  }

  #turnAway(connection: number, reason: GateRejection): void {
    const entry = this.#connections.get(connection);
    if (entry === undefined || !this.#endHandshake(connection)) return;
    entry.socket.destroy();
    this.#reject(reason, entry.label, entry.peer);
  }

  #endHandshake(connection: number): boolean {
    this.#shaking.get(connection)?.[Symbol.dispose]();
    return this.#shaking.delete(connection);
  }

  #forget(connection: number): void {
    const entry = this.#connections.get(connection);
    if (entry === undefined) return;
    this.#endHandshake(connection);
    this.#connections.delete(connection);
    add(this.#byIdentity, identityOf(entry.peer), -1);
    add(this.#byLabel, entry.label, -1);
  }

  #reject(reason: GateRejection, listener: string, peer?: Peer): void {
    this.#options.onRejected?.(reason);
    const nowMs = this.#options.clock.monotonicMs();
    const silence = this.#silences.get(reason);
    if (silence !== undefined && nowMs < silence.untilMs) {
      silence.unlogged++;
      return;
    }
    this.#silences.set(reason, { untilMs: nowMs + LOG_PERIOD_MS, unlogged: 0 });
    const fields = { reason, listener, peer: peer && describePeer(peer), unloggedBefore: silence?.unlogged ?? 0 };
    this.#options.log.warn("a connection was turned away", fields);
  }
}

/** Counts that have come back to 0 stay for listeners and go for callers: uids come and go. */
function add<K>(counts: Map<K, number>, key: K, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

/** The runtime's own field: no public one tells the descriptor of an accepted socket. */
function descriptorOf(socket: Socket): number {
  const fd = (socket as { _handle?: { fd?: unknown } })._handle?.fd;
  if (typeof fd !== "number" || fd < 0) throw new Error("the socket has no descriptor");
  return fd;
}
