import { backoffMs } from "../base/backoff.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { checkSignal, onAbort } from "./abort.ts";
import type { Connection } from "./connection/connection.ts";
import { isConnectionClosed, isUnimplemented } from "./errors.ts";
import { checkMs } from "./limits.ts";
import { sleep } from "./sleep.ts";
import type { ClientSystem } from "./system.ts";

/** A third of the server's default lease (30 s): two heartbeats in a row may be lost. */
export const DEFAULT_PERIOD_MS = 10_000;
const FIRST_BACKOFF_MS = 500;

export interface KeepAliveOptions {
  /** The GPUs that the provider looks after; asked anew each time where it is a function. Default: none. */
  readonly gpuNames?: readonly string[] | (() => readonly string[]);
  /** Default: 10 s. At most 24 days, and less than the server's lease (--provider-lease, 30 s). */
  readonly periodMs?: number;
  /** Ends it, as disposal does. */
  readonly signal?: AbortSignal;
  /**
   * The server may not have this provider's state: at the start, for nobody knows to which server earlier calls went;
   * when the lease had run out; and when the connection broke, since a server that was restarted begins empty. Write
   * the complete state: register, then updateStatus. No heartbeat is sent meanwhile; where it fails it is called again,
   * by backoff. The signal is aborted when keep-alive ends.
   */
  onLost(signal: AbortSignal): void | Promise<void>;
  /** A heartbeat or onLost failed; tried again unless the connection was closed. `failures`: in a row, from 1. */
  onError?(error: unknown, failures: number): void;
}

/** Ends by disposal or with its connection, and with whatever it has in flight; the lease then runs out by itself. */
export interface KeepAlive extends Disposable, AsyncDisposable {}

/** Sends one heartbeat; true where the server acknowledged it. */
export type SendHeartbeat = (gpuNames: readonly string[], timeoutMs: number, signal: AbortSignal) => Promise<boolean>;

/** Starts at once, with a heartbeat and then onLost. Throws ApiError, INVALID_ARGUMENT. */
export function startKeepAlive(
  connection: Connection,
  send: SendHeartbeat,
  options: KeepAliveOptions,
  system: ClientSystem,
): KeepAlive {
  const { signal, periodMs = DEFAULT_PERIOD_MS } = options;
  checkSignal(signal);
  const loop = new KeepAliveLoop(send, options, checkMs("periodMs", periodMs), system);
  const following = signal && onAbort(signal, () => loop.end());
  if (signal?.aborted === true) loop.end();
  const ended = Promise.all([loop.run(), loop.followConnection(connection)]).then(() => following?.[Symbol.dispose]());
  return {
    [Symbol.dispose]: () => loop.end(),
    async [Symbol.asyncDispose]() {
      loop.end();
      await ended;
    },
  };
}

class KeepAliveLoop {
  readonly #send: SendHeartbeat;
  readonly #options: KeepAliveOptions;
  readonly #periodMs: number;
  readonly #system: ClientSystem;
  readonly #end = new AbortController();
  /** Aborted when the stream has been opened, or could not be, for the first time. */
  readonly #tried = new AbortController();
  /** Aborted to cut the present wait short. */
  #wake = new AbortController();
  #isLost = true;

  constructor(send: SendHeartbeat, options: KeepAliveOptions, periodMs: number, system: ClientSystem) {
    this.#send = send;
    this.#options = options;
    this.#periodMs = periodMs;
    this.#system = system;
  }

  end(): void {
    for (const controller of [this.#end, this.#tried, this.#wake]) controller.abort();
  }

  async run(): Promise<void> {
    const periodMs = this.#periodMs;
    const { scheduler, random } = this.#system;
    const { signal } = this.#end;
    let failures = 0;
    // Each opening of the stream means that the state is written: the first one shall not make it twice.
    await sleep(scheduler, periodMs, this.#tried.signal);
    while (!signal.aborted) {
      this.#wake = new AbortController();
      try {
        await this.#beat();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#report(error, ++failures);
        if (isConnectionClosed(error)) return this.end();
      }
      const limits = { firstMs: Math.min(FIRST_BACKOFF_MS, periodMs), maxMs: periodMs };
      await sleep(scheduler, failures === 0 ? periodMs : backoffMs(failures, limits, random), this.#wake.signal);
    }
  }

  /**
   * Heartbeats alone do not tell a server that was restarted between two of them: to the new one the provider is simply
   * new. So a stream stands beside them, and whenever it was opened, it may be to another server than the one that the
   * state was written to. That holds for the first time too: no stream stood until then.
   */
  async followConnection(connection: Connection): Promise<void> {
    const { scheduler, random } = this.#system;
    const { signal } = this.#end;
    let failures = 0;
    while (!signal.aborted) {
      let isOpen = false;
      try {
        for await (const _ of connection.serverStream(Health.method.watch, {}, { signal })) {
          if (isOpen) continue;
          isOpen = true;
          failures = 0;
          this.#lose();
        }
      } catch (error) {
        if (isConnectionClosed(error)) return this.end();
        // A server without the health service, as a fake one may be: then the heartbeats have to do.
        if (isUnimplemented(error)) return this.#tried.abort();
      }
      this.#tried.abort();
      failures++;
      await sleep(
        scheduler,
        backoffMs(failures, { firstMs: FIRST_BACKOFF_MS, maxMs: DEFAULT_PERIOD_MS }, random),
        signal,
      );
    }
  }

  async #beat(): Promise<void> {
    const { gpuNames = [], onLost } = this.#options;
    const { signal } = this.#end;
    const names = typeof gpuNames === "function" ? gpuNames() : gpuNames;
    if (!(await this.#send(names, this.#periodMs, signal))) this.#isLost = true;
    while (this.#isLost) {
      // Lost once more while the state is written: then it is written once more.
      this.#isLost = false;
      try {
        await onLost(signal);
      } catch (error) {
        this.#isLost = true;
        throw error;
      }
    }
  }

  #report(error: unknown, failures: number): void {
    try {
      this.#options.onError?.(error, failures);
    } catch {
      // Nobody is left to tell, and the lease goes on.
    }
  }

  #lose(): void {
    this.#isLost = true;
    this.#tried.abort();
    this.#wake.abort();
  }
}
