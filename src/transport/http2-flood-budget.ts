import { ConnectionError, ErrorCode } from "./http2-frames.ts";

/** Of a frame that makes no work, of one that makes some, and of one that undoes what was done. */
export const Cost = { plain: 1, empty: 10, reset: 10 } as const;

/** What a connection may spend at once: 10,000 PINGs, or 1,000 resets. */
const BUDGET_MAX = 10_000;
/** What comes back by itself: 100 resets in a second, for as long as one likes. */
const PER_MS = 1;
/** What it earns by each request, and by each frame of data that it is sent and may have to acknowledge twice. */
const PER_USE = 4;

/**
 * Bounds frames that cost their sender nothing and carry nothing: PING, SETTINGS, PRIORITY, resets, empty frames.
 * Whoever uses the connection earns what it needs for them; a flood ends it.
 */
export class FloodBudget {
  #left = BUDGET_MAX;
  #filledMs = performance.now();

  earn(): void {
    this.#left = Math.min(BUDGET_MAX, this.#left + PER_USE);
  }

  /** Throws the end of the connection where there is nothing left to spend. */
  spend(cost: number): void {
    this.#left -= cost;
    if (this.#left < 0) this.#refill();
  }

  #refill(): void {
    const nowMs = performance.now();
    this.#left = Math.min(BUDGET_MAX, this.#left + (nowMs - this.#filledMs) * PER_MS);
    this.#filledMs = nowMs;
    if (this.#left < 0) throw new ConnectionError(ErrorCode.enhanceYourCalm, "too many frames that carry nothing");
  }
}
