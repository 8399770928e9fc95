import { assert } from "../base/assert.ts";
import { StatusError } from "../base/status-error.ts";
import type { Method } from "../service/call.ts";
import { describePeer, identityOf } from "../service/peer.ts";
import { toStatus } from "./grpc-adapter.ts";
import { type CallHost, OpenCall } from "./grpc-call.ts";
import { CallCount } from "./grpc-call-count.ts";
import type { CallOpening } from "./grpc-interceptor.ts";
import { type GrpcServerOptions, graceMs } from "./grpc-options.ts";
import type { ReceiveGuard, Receiving } from "./grpc-receive-guard.ts";
import { ReplyBudget, UNSENT_BYTES_PER_CONNECTION_MAX } from "./grpc-reply-budget.ts";
import type { StallGuard } from "./grpc-stall-guard.ts";
import { toWireStatus } from "./grpc-status.ts";

const CONNECTION_CARRIER = /^connection-(\d+)$/;

/** What stands in a socket's remoteAddress, and comes back with every call that the socket carries. */
export function connectionCarrier(connection: number): string {
  return `connection-${connection}`;
}

/** What watches over calls that do not come to their end. */
export interface Guards {
  readonly stall: StallGuard;
  readonly receive: ReceiveGuard;
}

/** Every call that is open, and what happens round it: admission, bounds, metrics, the access log, its grace. */
export class CallTable implements CallHost {
  readonly #options: GrpcServerOptions;
  readonly #guards: Guards;
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #calls = new Set<OpenCall>();
  readonly #streams = new Set<OpenCall>();
  readonly #connections = new WeakMap<OpenCall, number>();
  readonly #doomed = new WeakSet<object>();
  readonly #receiving = new Map<OpenCall, Receiving>();
  readonly #count = new CallCount();
  readonly #replies = new ReplyBudget();
  #refusal: StatusError | undefined;

  constructor(options: GrpcServerOptions, guards: Guards) {
    this.#options = options;
    this.#guards = guards;
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
    const hasRoom = this.#count.add(callerOf(call));
    if (this.#refusal !== undefined) call.abort(this.#refusal);
    else if (!hasRoom) call.abort(new StatusError("RESOURCE_EXHAUSTED", "too many calls are open"));
    else if (call.definition.kind !== "duplex") this.#awaitRequest(call);
  }

  /** The request is here. Throws the status with which the call is refused. */
  admit(call: OpenCall): void {
    this.#stopAwaiting(call);
    if (this.#refusal !== undefined) throw this.#refusal;
    if (!call.hasPeer) throw new Error("the call came over a connection that is not in the registry");
    this.#options.authorize(call.definition, call.peer);
  }

  streamOpened(call: OpenCall): void {
    this.#streams.add(call);
    this.#options.onStreamOpen?.(call.method);
  }

  /** Counts a unary reply until its call closes. Throws where the connection has too many under way. */
  admitReply(call: OpenCall, bytes: number): void {
    const connection = this.#connections.get(call);
    if (connection === undefined) return;
    const verdict = this.#replies.take(call, connection, bytes);
    if (verdict.kind === "send") return;
    if (verdict.kind === "refuse") {
      const limit = `the limit of a connection is ${UNSENT_BYTES_PER_CONNECTION_MAX} bytes`;
      throw new StatusError("RESOURCE_EXHAUSTED", `replies that were asked for are not read: ${limit}`);
    }
    this.#destroy(verdict.connection, "too many replies wait for clients, most for this one", call.method);
  }

  leaving(call: OpenCall): void {
    this.#stopAwaiting(call);
    this.#guards.stall.watch(call, graceMs(call.definition.kind, this.#options));
  }

  closed(call: OpenCall): void {
    this.#stopAwaiting(call);
    this.#guards.stall.unwatch(call);
    this.#replies.release(call);
    if (this.#calls.delete(call)) this.#count.remove(callerOf(call));
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
    this.#destroy(this.#connections.get(call), "a client does not take its messages", call.method);
  }

  #awaitRequest(call: OpenCall): void {
    const receiving: Receiving = {
      connection: this.#connections.get(call),
      giveUp: () => call.abort(new StatusError("DEADLINE_EXCEEDED", "the request did not come to its end")),
      destroyConnection: () =>
        this.#destroy(this.#connections.get(call), "a client leaves many requests incomplete", call.method),
    };
    this.#receiving.set(call, receiving);
    this.#guards.receive.watch(receiving);
  }

  #stopAwaiting(call: OpenCall): void {
    const receiving = this.#receiving.get(call);
    if (receiving === undefined) return;
    this.#receiving.delete(call);
    this.#guards.receive.unwatch(receiving);
  }

  #destroy(connection: number | undefined, why: string, method: string): void {
    const entry = connection === undefined ? undefined : this.#options.peers.get(connection);
    // One line for a connection, not for each of its calls.
    if (entry === undefined || this.#doomed.has(entry)) return;
    this.#doomed.add(entry);
    this.#options.log.warn(`${why}: connection destroyed`, { method, peer: describePeer(entry.peer) });
    entry.destroy();
  }
}

function callerOf(call: OpenCall): string {
  return call.hasPeer ? identityOf(call.peer) : "unknown";
}

function logFields(call: OpenCall): { method: string; peer: string } {
  return { method: call.method, peer: call.hasPeer ? describePeer(call.peer) : "unknown" };
}
