import type { LogFields, Logger } from "../base/log.ts";

/** Remembered lines; past this the memory starts afresh, and a line may be written a second time. */
const LINES_MAX = 4_096;

/** Writes each distinct line once: for what a peer may repeat at every call. */
export class OnceLog {
  readonly #log: Logger;
  readonly #written = new Set<string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  warn(message: string, fields: LogFields): void {
    const line = JSON.stringify([message, fields]);
    if (this.#written.has(line)) return;
    if (this.#written.size >= LINES_MAX) this.#written.clear();
    this.#written.add(line);
    this.#log.warn(message, fields);
  }
}
