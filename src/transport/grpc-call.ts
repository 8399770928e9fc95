import type { CodeName, StatusError } from "../base/status-error.ts";
import type { Call, Method } from "../service/call.ts";
import type { Peer } from "../service/peer.ts";

/** What the call needs of the server round it. */
export interface CallHost {
  /** The call's last word is spoken and has not left; it should, soon. */
  leaving(call: OpenCall): void;
  /** The call is over and its code final. */
  closed(call: OpenCall): void;
  /** A listener that the service left with the call threw. */
  listenerFailed(call: OpenCall, error: unknown): void;
}

export interface CallStart {
  readonly method: Method;
  readonly peer: Peer;
  readonly startedMs: number;
  readonly deadlineMs: number | undefined;
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
  readonly peer: Peer;
  readonly startedMs: number;
  readonly deadlineMs: number | undefined;
  /** Whether all of the request has come, though it may not be unpacked yet. */
  isReceived = false;
  readonly #host: CallHost;
  readonly #answer: (status: StatusError) => void;
  #phase: Phase = "receiving";
  #code: CodeName | undefined;
  #cancelled = false;
  #cancelListeners: (() => void)[] | undefined;

  /** `answer` sends a status over the service's head. */
  constructor(start: CallStart, host: CallHost, answer: (status: StatusError) => void) {
    this.method = start.method.name;
    this.definition = start.method;
    this.peer = start.peer;
    this.startedMs = start.startedMs;
    this.deadlineMs = start.deadlineMs;
    this.#host = host;
    this.#answer = answer;
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
    else if (this.#phase === "receiving" || this.#phase === "handling") {
      this.#cancelListeners ??= [];
      this.#cancelListeners.push(listener);
    }
  }

  /** The request is here and goes to the service. False: too late, nobody waits for an answer. */
  begin(): boolean {
    if (this.#phase !== "receiving") return false;
    this.#phase = "handling";
    return true;
  }

  /** The service has spoken its last word, which `send` hands over; nothing where it has lost the right to one. */
  settle(code: CodeName, send: () => void): void {
    if (this.#phase !== "handling") return;
    this.#cancelListeners = undefined;
    this.#leave(code, send);
  }

  /** Ends the call over the service's head, and tells it so. */
  abort(status: StatusError): void {
    if (this.#phase === "leaving" || this.#phase === "closed") return;
    this.#leave(status.code, () => this.#answer(status));
    this.#cancel();
  }

  close(): void {
    if (this.#phase === "closed") return;
    const unfinished = this.#phase !== "leaving";
    this.#phase = "closed";
    if (unfinished) this.#cancel();
    this.#host.closed(this);
  }

  /** What is sent closes the call at once, unless it has to wait for the client. */
  #leave(code: CodeName, send: () => void): void {
    this.#code = code;
    this.#phase = "leaving";
    send();
    if (this.phase !== "closed") this.#host.leaving(this);
  }

  #cancel(): void {
    this.#cancelled = true;
    const listeners = this.#cancelListeners ?? [];
    this.#cancelListeners = undefined;
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
