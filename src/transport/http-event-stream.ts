import type { CancelScope } from "../base/cancel-scope.ts";
import type { Scheduler } from "../base/clock.ts";
import { StatusError } from "../base/status-error.ts";
import type { EventStream, StreamEvent } from "../service/json-api/operation.ts";
import type { HttpExchange } from "./http-connections.ts";
import { answerRefusal, refusalFrom, writeHead } from "./ui-answer.ts";

/** The client left, was overtaken by the history, took nothing for too long, or the server ended it. */
export type StreamEnding = "client" | "expired" | "stalled" | "server";

export interface HttpEventStreamOptions {
  readonly exchange: HttpExchange;
  readonly scope: CancelScope;
  readonly scheduler: Scheduler;
  readonly onOpen: () => void;
  /** Called once, if the stream was opened at all. */
  readonly onEnd: (ending: StreamEnding) => void;
}

/** A comment this often shows that the connection lives; proxies tend to cut after 30 to 60 s of silence. */
export const HEARTBEAT_MS = 15_000;
/** What a browser's own client waits before it comes back. */
const RETRY_MS = 2_000;
/** What a client gets to take its last event. */
export const LAST_EVENT_MS = 5_000;

/**
 * Server-sent events on one connection. What is written and not yet taken is at most the runtime's buffer of 64 KiB and
 * one event beyond it, and a client that takes nothing from one heartbeat to the next but one is ended.
 */
export class HttpEventStream implements EventStream {
  readonly #options: HttpEventStreamOptions;
  #state: "new" | "open" | "ended" = "new";
  #blocked = false;
  /** Blocked at the last heartbeat, and all the time since. */
  #stalled = false;
  #drainListener: () => void = () => {};
  #timer: Disposable | undefined;

  constructor(options: HttpEventStreamOptions) {
    this.#options = options;
    options.exchange.response.on("drain", () => this.#drained());
    options.scope.onCancel(() => this.#close());
  }

  get deadlineMs(): number | undefined {
    return this.#options.scope.deadlineMs;
  }

  get cancelled(): boolean {
    return this.#options.scope.cancelled;
  }

  onCancel(listener: () => void): void {
    this.#options.scope.onCancel(listener);
  }

  onDrain(listener: () => void): void {
    this.#drainListener = listener;
  }

  send(event: StreamEvent): boolean {
    if (this.cancelled || this.#state === "ended") return false;
    if (this.#state === "new") this.#open();
    this.#write(textOf(event));
    return !this.#blocked;
  }

  /** A stream that was never opened is answered like any request that fails. */
  end(status: StatusError): void {
    this.#finish(status.code === "OUT_OF_RANGE" ? "expired" : "server", status);
  }

  #open(): void {
    const { exchange } = this.#options;
    this.#state = "open";
    exchange.keepOpen();
    this.#options.onOpen();
    // A proxy that gathers the answer before it passes it on would hold back every event.
    writeHead(exchange.response, 200, "text/event-stream", { "x-accel-buffering": "no" });
    this.#write(`retry: ${RETRY_MS}\n\n`);
    this.#timer = this.#options.scheduler.setTimer(() => this.#beat(), HEARTBEAT_MS);
  }

  #beat(): void {
    if (this.#stalled) {
      const message = `nothing was taken for ${HEARTBEAT_MS / 1_000} s and longer; come back with the last id`;
      this.#finish("stalled", new StatusError("RESOURCE_EXHAUSTED", message));
      return;
    }
    if (this.#blocked) this.#stalled = true;
    else this.#write(":\n\n");
    this.#timer = this.#options.scheduler.setTimer(() => this.#beat(), HEARTBEAT_MS);
  }

  #write(text: string): void {
    this.#blocked = !this.#options.exchange.response.write(text);
  }

  #drained(): void {
    this.#blocked = false;
    this.#stalled = false;
    if (this.#state === "open") this.#drainListener();
  }

  #finish(ending: StreamEnding, status: StatusError): void {
    if (this.cancelled || this.#state === "ended") return;
    const wasOpen = this.#state === "open";
    this.#state = "ended";
    const { exchange, scheduler, onEnd } = this.#options;
    if (!wasOpen) {
      answerRefusal(exchange.response, refusalFrom(status));
      return;
    }
    this.#timer?.[Symbol.dispose]();
    this.#timer = scheduler.setTimer(() => exchange.request.socket.destroy(), LAST_EVENT_MS);
    const data = JSON.stringify({ code: status.code, message: status.message });
    exchange.response.end(textOf({ type: "ended", data, ...(ending === "expired" && { id: "" }) }));
    onEnd(ending);
  }

  #close(): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#state === "open") this.#options.onEnd("client");
    this.#state = "ended";
  }
}

function textOf({ type, id, data }: StreamEvent): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${type}\ndata: ${data}\n\n`;
}
