import { assert } from "../base/assert.ts";
import { StatusError } from "../base/status-error.ts";
import type { Method } from "../service/call.ts";
import { describePeer } from "../service/peer.ts";
import { toStatus } from "./grpc-adapter.ts";
import { type CallHost, OpenCall } from "./grpc-call.ts";
import {
  CallCount,
  OPEN_CALLS_MAX,
  OPEN_CALLS_PER_CALLER_MAX,
  OPEN_DUPLEX_MAX,
  OPEN_DUPLEX_PER_CALLER_MAX,
} from "./grpc-call-count.ts";
import type { GrpcConnection } from "./grpc-connection.ts";
import { armDeadline } from "./grpc-deadline.ts";
import { type GrpcServerOptions, graceMs } from "./grpc-options.ts";
import { createReceiveGuard, type ReceiveGuard } from "./grpc-receive-guard.ts";
import { ReplyBudget, UNSENT_BYTES_PER_CONNECTION_MAX } from "./grpc-reply-budget.ts";
import { createStallGuard, type StallGuard } from "./grpc-stall-guard.ts";

/** Every call that is open, and what happens round it: admission, bounds, deadlines, metrics, access log, grace. */
export class CallTable implements CallHost, Disposable {
  readonly #options: GrpcServerOptions;
  readonly #stall: StallGuard<OpenCall>;
  readonly #receive: ReceiveGuard<OpenCall>;
  readonly #calls = new Map<OpenCall, GrpcConnection>();
  readonly #streams = new Set<OpenCall>();
  readonly #deadlines = new Map<OpenCall, Disposable>();
  /** Calls whose headers are among what is being read; most are over before all of that is. */
  #fresh: OpenCall[] = [];
  readonly #count = new CallCount(OPEN_CALLS_PER_CALLER_MAX, OPEN_CALLS_MAX);
  readonly #duplexCount = new CallCount(OPEN_DUPLEX_PER_CALLER_MAX, OPEN_DUPLEX_MAX);
  readonly #replies = new ReplyBudget();
  #refusal: StatusError | undefined;

  constructor(options: GrpcServerOptions) {
    const { clock, scheduler } = options;
    this.#options = options;
    this.#stall = createStallGuard(clock, scheduler, (call) =>
      this.#calls.get(call)?.destroy("a client does not take its messages", call.method),
    );
    this.#receive = createReceiveGuard(scheduler, {
      connectionOf: (call) => this.#connection(call).number,
      giveUp: (call) => call.abort(new StatusError("DEADLINE_EXCEEDED", "the request did not come to its end")),
      // The first one of a connection takes the others with it.
      destroyConnection: (call) =>
        this.#calls.get(call)?.destroy("a client leaves many requests incomplete", call.method),
    });
  }

  get size(): number {
    return this.#calls.size;
  }

  calls(): readonly OpenCall[] {
    return [...this.#calls.keys()];
  }

  /** From now on new calls get this status. */
  refuseWith(status: StatusError): void {
    this.#refusal = status;
  }

  /** `start` has to follow, once there is something that can answer. */
  open(
    method: Method,
    connection: GrpcConnection,
    timeoutMs: number | undefined,
    answer: (status: StatusError) => void,
  ): OpenCall {
    const startedMs = this.#options.clock.monotonicMs();
    const deadlineMs = timeoutMs === undefined ? undefined : startedMs + timeoutMs;
    const call = new OpenCall({ method, peer: connection.peer, startedMs, deadlineMs }, this, answer);
    this.#calls.set(call, connection);
    this.#fresh.push(call);
    return call;
  }

  /** Counts a call that was opened; one that is refused whatever it brings has its answer at once. */
  start(call: OpenCall): void {
    const { caller } = this.#connection(call);
    const isDuplex = call.definition.kind === "duplex";
    // Both count, whatever they say.
    const hasRoomForCalls = this.#count.add(caller);
    const hasRoom = (isDuplex ? this.#duplexCount.add(caller) : true) && hasRoomForCalls;
    const { startedMs, deadlineMs = Number.POSITIVE_INFINITY } = call;
    if (this.#refusal !== undefined) call.abort(this.#refusal);
    else if (!hasRoom) call.abort(new StatusError("RESOURCE_EXHAUSTED", "too many calls are open"));
    else if (deadlineMs <= startedMs) call.abort(new StatusError("DEADLINE_EXCEEDED", "the deadline had passed"));
    else this.#authorize(call);
  }

  /** By the headers alone: whoever may not call need not send megabytes to hear of it. */
  #authorize(call: OpenCall): void {
    try {
      this.#options.authorize(call.definition, call.peer);
    } catch (error) {
      call.abort(toStatus(error, call, this.#options.log));
    }
  }

  received(call: OpenCall): void {
    call.isReceived = true;
    this.#receive.unwatch(call);
  }

  /** All that came at once has been handled: what is still open has to be watched. */
  readDone(): void {
    const fresh = this.#fresh;
    if (fresh.length === 0) return;
    this.#fresh = [];
    for (const call of fresh) {
      if (call.phase === "closed") continue;
      if (!call.isReceived && call.definition.kind !== "duplex") this.#receive.watch(call);
      if (call.deadlineMs !== undefined) this.#deadlines.set(call, armDeadline(call, call.deadlineMs, this.#options));
    }
  }

  /** A request goes to its service. Throws the status with which it is refused. */
  admit(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  streamOpened(call: OpenCall): void {
    this.#streams.add(call);
    this.#options.onStreamOpen?.(call.method);
  }

  /** Counts a reply that has to wait for its client, until its call closes. Throws where too many of them wait. */
  admitWaitingReply(call: OpenCall, bytes: number): void {
    const verdict = this.#replies.take(call, this.#connection(call).number, bytes);
    if (verdict.kind === "send") return;
    if (verdict.kind === "refuse") {
      const limit = `the limit of a connection is ${UNSENT_BYTES_PER_CONNECTION_MAX} bytes`;
      throw new StatusError("RESOURCE_EXHAUSTED", `replies that were asked for are not read: ${limit}`);
    }
    const largest = [...this.#calls.values()].find((connection) => connection.number === verdict.connection);
    largest?.destroy("too many replies wait for clients, most for this one", call.method);
  }

  waitingRepliesSent(call: OpenCall): void {
    this.#replies.release(call);
  }

  leaving(call: OpenCall): void {
    this.#receive.unwatch(call);
    this.#stall.watch(call, graceMs(call.definition.kind, this.#options));
  }

  closed(call: OpenCall): void {
    const connection = this.#connection(call);
    this.#calls.delete(call);
    this.#count.remove(connection.caller);
    if (call.definition.kind === "duplex") this.#duplexCount.remove(connection.caller);
    this.#receive.unwatch(call);
    this.#stall.unwatch(call);
    this.#replies.release(call);
    this.#deadlines.get(call)?.[Symbol.dispose]();
    this.#deadlines.delete(call);
    if (this.#streams.delete(call)) this.#options.onStreamClose?.(call.method);
    const { definition, method, code } = call;
    const ms = this.#options.clock.monotonicMs() - call.startedMs;
    this.#options.onCallEnd?.({ method, kind: definition.kind, code, seconds: ms / 1_000 });
    const { log } = this.#options;
    if (!log.enabled(4)) return;
    log.debug(4, "call", { method, peer: describePeer(call.peer), code, ms: Math.round(ms * 1_000) / 1_000 });
  }

  listenerFailed(call: OpenCall, error: unknown): void {
    toStatus(error, call, this.#options.log);
  }

  [Symbol.dispose](): void {
    this.#stall[Symbol.dispose]();
    this.#receive[Symbol.dispose]();
  }

  #connection(call: OpenCall): GrpcConnection {
    const connection = this.#calls.get(call);
    assert(connection !== undefined, "the call is open");
    return connection;
  }
}
