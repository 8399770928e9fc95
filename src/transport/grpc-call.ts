import { assert } from "../base/assert.ts";
import type { CodeName, StatusError } from "../base/status-error.ts";
import type { Call, Method } from "../service/call.ts";
import type { Peer } from "../service/peer.ts";

/** What the call needs of the server round it. */
export interface CallHost {
  /** The call's last word is spoken; it should close soon. */
  leaving(call: OpenCall): void;
  /** The call is over and its code final. */
  closed(call: OpenCall): void;
  /** A listener that the service left with the call threw. */
  listenerFailed(call: OpenCall, error: unknown): void;
  destroyConnection(call: OpenCall): void;
}

export interface CallStart {
  readonly method: Method;
  /** undefined: the connection is not in the registry. */
  readonly peer: Peer | undefined;
  readonly startedMs: number;
  readonly deadlineMs: number | undefined;
  /** Whether the caller has gone, before anybody has said so. */
  readonly isGone: () => boolean;
}

/**
 * receiving: the request is not complete and no service has seen it. handling: with the service. leaving: the service
 * has spoken its last word, or lost the right to one; only bytes are still under way. closed: gone.
 */
type Phase = "receiving" | "handling" | "leaving" | "closed";

/**
 * One call from its headers to its end, whatever ends it. Phases only move forward; `closed` of the host is called
 * exactly once.
 */
export class OpenCall implements Call {
  readonly method: string;
  readonly definition: Method;
  readonly startedMs: number;
  readonly deadlineMs: number | undefined;
  readonly #host: CallHost;
  readonly #peer: Peer | undefined;
  readonly #isGone: () => boolean;
  #phase: Phase = "receiving";
  #code: CodeName | undefined;
  #cancelled = false;
  #cancelListeners: (() => void)[] = [];
  #answer: (status: StatusError) => void;

  /** `answer` sends a status on behalf of the server; a service's handler brings a better one with it. */
  constructor(start: CallStart, host: CallHost, answer: (status: StatusError) => void) {
    this.method = start.method.name;
    this.definition = start.method;
    this.startedMs = start.startedMs;
    this.deadlineMs = start.deadlineMs;
    this.#peer = start.peer;
    this.#isGone = start.isGone;
    this.#host = host;
    this.#answer = answer;
  }

  get peer(): Peer {
    assert(this.#peer !== undefined, "no service is called for a peer that is not known");
    return this.#peer;
  }

  get hasPeer(): boolean {
    return this.#peer !== undefined;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Final once closed. A call that no status was sent for was given up by its caller. */
  get code(): CodeName {
    return this.#code ?? "CANCELLED";
  }

  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** Ends by the service's own word do not count: it knows of those. */
  onCancel(listener: () => void): void {
    if (this.#cancelled) this.#call(listener);
    else if (this.#phase === "receiving" || this.#phase === "handling") this.#cancelListeners.push(listener);
  }

  /** The request is here and goes to the service. False: too late, nobody waits for an answer. */
  begin(answer: (status: StatusError) => void): boolean {
    if (this.#phase !== "receiving" || this.#isGone()) return false;
    this.#phase = "handling";
    this.#answer = answer;
    return true;
  }

  /** The service has spoken its last word; undefined where the code shows only when the reply has gone out. */
  settle(code: CodeName | undefined): void {
    assert(this.#phase === "handling", "only a call that is being handled is settled");
    this.#code = code;
    this.#cancelListeners = [];
    this.#leave();
  }

  /** Ends the call over the service's head, and tells it so. */
  abort(status: StatusError): void {
    if (this.#phase === "leaving" || this.#phase === "closed") return;
    this.#code = status.code;
    this.#leave();
    this.#answer(status);
    this.#cancel();
  }

  /** A status is on its way to the client, whoever sends it: a service, this server, or the library by itself. */
  statusSent(code: CodeName): void {
    if (this.#phase === "closed") return;
    this.#code = code;
    if (this.#phase === "leaving") return;
    this.#leave();
    this.#cancel();
  }

  close(): void {
    if (this.#phase === "closed") return;
    const unfinished = this.#phase !== "leaving";
    this.#phase = "closed";
    if (unfinished) this.#cancel();
    this.#host.closed(this);
  }

  destroyConnection(): void {
    this.#host.destroyConnection(this);
  }

  #leave(): void {
    this.#phase = "leaving";
    this.#host.leaving(this);
  }

  #cancel(): void {
    this.#cancelled = true;
    const listeners = this.#cancelListeners;
    this.#cancelListeners = [];
    for (const listener of listeners) this.#call(listener);
  }

  #call(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#host.listenerFailed(this, error);
    }
  }
}
