import { assert } from "../base/assert.ts";
import type { StatusError } from "../base/status-error.ts";
import type { Method } from "../service/call.ts";
import { describePeer } from "../service/peer.ts";
import { toStatus } from "./grpc-adapter.ts";
import { type CallHost, OpenCall } from "./grpc-call.ts";
import type { CallOpening } from "./grpc-interceptor.ts";
import { type GrpcServerOptions, graceMs } from "./grpc-options.ts";
import type { StallGuard } from "./grpc-stall-guard.ts";
import { toWireStatus } from "./grpc-status.ts";

const CONNECTION_CARRIER = /^connection-(\d+)$/;

/** What stands in a socket's remoteAddress, and comes back with every call that the socket carries. */
export function connectionCarrier(connection: number): string {
  return `connection-${connection}`;
}

/** Every call that is open, and what happens round it: admission, metrics, the access log, the grace at its end. */
export class CallTable implements CallHost {
  readonly #options: GrpcServerOptions;
  readonly #guard: StallGuard;
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #calls = new Set<OpenCall>();
  readonly #streams = new Set<OpenCall>();
  readonly #connections = new WeakMap<OpenCall, number>();
  #refusal: StatusError | undefined;

  constructor(options: GrpcServerOptions, guard: StallGuard) {
    this.#options = options;
    this.#guard = guard;
    this.#methods = new Map(options.methods.map((method) => [method.name, method]));
  }

  get calls(): ReadonlySet<OpenCall> {
    return this.#calls;
  }

  /** From now on new calls get this status. */
  refuseWith(status: StatusError): void {
    this.#refusal = status;
  }

  open(opening: CallOpening): OpenCall {
    const method = this.#methods.get(opening.method);
    assert(method !== undefined, "the library calls for registered methods only");
    const match = CONNECTION_CARRIER.exec(opening.remoteAddress ?? "");
    const connection = match === null ? undefined : Number(match[1]);
    const startedMs = this.#options.clock.monotonicMs();
    const start = {
      method,
      peer: connection === undefined ? undefined : this.#options.peers.get(connection)?.peer,
      startedMs,
      deadlineMs: opening.timeoutMs === undefined ? undefined : startedMs + opening.timeoutMs,
      isGone: opening.isGone,
    };
    const call = new OpenCall(start, this, (status) => opening.sendStatus(toWireStatus(status)));
    if (connection !== undefined) this.#connections.set(call, connection);
    return call;
  }

  started(call: OpenCall): void {
    this.#calls.add(call);
    if (this.#refusal !== undefined) call.abort(this.#refusal);
  }

  /** Throws the status with which the call is refused. */
  admit(call: OpenCall): void {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (!call.hasPeer) throw new Error("the call came over a connection that is not in the registry");
    this.#options.authorize(call.definition, call.peer);
  }

  streamOpened(call: OpenCall): void {
    this.#streams.add(call);
    this.#options.onStreamOpen?.(call.method);
  }

  leaving(call: OpenCall): void {
    this.#guard.watch(call, graceMs(call.definition.kind, this.#options));
  }

  closed(call: OpenCall): void {
    this.#guard.unwatch(call);
    this.#calls.delete(call);
    if (this.#streams.delete(call)) this.#options.onStreamClose?.(call.method);
    const { definition, method, code } = call;
    const ms = this.#options.clock.monotonicMs() - call.startedMs;
    this.#options.onCallEnd?.({ method, kind: definition.kind, code, seconds: ms / 1_000 });
    const { log } = this.#options;
    if (log.enabled(4)) log.debug(4, "call", { ...logFields(call), code, ms: Math.round(ms * 1_000) / 1_000 });
  }

  listenerFailed(call: OpenCall, error: unknown): void {
    toStatus(error, call, this.#options.log);
  }

  destroyConnection(call: OpenCall): void {
    this.#options.log.warn("a client does not take its messages: connection destroyed", logFields(call));
    const connection = this.#connections.get(call);
    if (connection !== undefined) this.#options.peers.get(connection)?.destroy();
  }
}

function logFields(call: OpenCall): { method: string; peer: string } {
  return { method: call.method, peer: call.hasPeer ? describePeer(call.peer) : "unknown" };
}
