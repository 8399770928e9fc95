import { backoffMs } from "../base/backoff.ts";
import { EventParser, type ServerEvent } from "./event-parser.ts";

/** The page's line to the server. */
export type Connection =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  | { readonly kind: "lost"; readonly reason: string };

export interface LiveStreamOptions {
  readonly url: string;
  onEvent(event: ServerEvent): void;
  onConnection(connection: Connection): void;
  /** Default: SILENCE_MAX_MS. */
  readonly silenceMs?: number;
}

const BACKOFF = { firstMs: 1_000, maxMs: 15_000 };
/** The server sends something every 15 s: after three times that in silence nobody is there, whatever TCP thinks. */
const SILENCE_MAX_MS = 45_000;

/** Follows the stream for as long as the page is open; after a break it goes on from the last id. */
export class LiveStream {
  readonly #options: LiveStreamOptions;
  readonly #parser = new EventParser();
  #failures = 0;
  /** Of the try that is under way or awaited; undefined while stopped. */
  #abort: AbortController | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(options: LiveStreamOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    this.#retry = undefined;
    this.#options.onConnection({ kind: "connecting" });
    const reason = await this.#follow(abort).catch((error) => (error instanceof Error ? error.message : String(error)));
    if (this.#abort !== abort) return;
    this.#options.onConnection({ kind: "lost", reason });
    const delayMs = backoffMs(++this.#failures, BACKOFF, Math.random);
    this.#retry = setTimeout(() => void this.start(), delayMs);
  }

  /** Tries at once, where a try is awaited: the network is back, or somebody looks again. */
  hurry(): void {
    if (this.#retry === undefined) return;
    clearTimeout(this.#retry);
    void this.start();
  }

  /** Until the next start nothing is followed and nothing is told. */
  stop(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#abort?.abort();
    this.#abort = undefined;
  }

  /** Resolves to the reason for the end. */
  async #follow(abort: AbortController): Promise<string> {
    const { silenceMs = SILENCE_MAX_MS } = this.#options;
    let ended: string | undefined;
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(new Error("the server is silent")), silenceMs);
    };
    try {
      alive();
      const reader = await this.#open(abort.signal);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return ended ?? "the server has closed the connection";
        alive();
        for (const event of this.#parser.push(value)) {
          if (event.type === "ended") ended = messageOf(event.data);
          else this.#take(event);
        }
      }
    } finally {
      clearTimeout(watchdog);
      abort.abort();
    }
  }

  #take(event: ServerEvent): void {
    if (event.type === "opened") {
      this.#failures = 0;
      this.#options.onConnection({ kind: "live" });
    }
    this.#options.onEvent(event);
  }

  async #open(signal: AbortSignal): Promise<ReadableStreamDefaultReader<string>> {
    const { lastId } = this.#parser;
    const response = await fetch(this.#options.url, {
      headers: lastId === "" ? {} : { "Last-Event-ID": lastId },
      cache: "no-store",
      signal,
    }).catch((error) => {
      throw signal.aborted ? error : new Error("the server does not answer");
    });
    if (!response.ok || response.body === null) {
      throw new Error(messageOf(await response.text()) ?? `the server answers ${response.status}`);
    }
    this.#parser.reset();
    return response.body.pipeThrough(new TextDecoderStream()).getReader();
  }
}

/** The message of an error as the API writes it. */
function messageOf(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}
