import type { Clock } from "./clock.ts";
import type { LogFields, Logger } from "./log.ts";

const MINUTE_MS = 60_000;

/** At most so many lines a minute, for what others may repeat without an end; those left out are counted. */
export class LimitedLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #linesPerMinute: number;
  #minuteEndsMs = 0;
  #lines = 0;
  #leftOut = 0;

  constructor(log: Logger, clock: Clock, linesPerMinute: number) {
    this.#log = log;
    this.#clock = clock;
    this.#linesPerMinute = linesPerMinute;
  }

  /** The field `leftOut` of a line is how many were not written before it. */
  write(level: "info" | "warn", message: string, fields: LogFields): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#minuteEndsMs) {
      this.#minuteEndsMs = nowMs + MINUTE_MS;
      this.#lines = 0;
    }
    if (this.#lines >= this.#linesPerMinute) {
      this.#leftOut++;
      return;
    }
    this.#lines++;
    this.#log[level](message, { ...fields, leftOut: this.takeLeftOut() });
  }

  /** How many lines were left out since the last one, which no later line will tell; undefined for none. */
  takeLeftOut(): number | undefined {
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut === 0 ? undefined : leftOut;
  }
}
