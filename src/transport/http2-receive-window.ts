/** What a peer may still send on a stream, and what has come of it that nobody has taken. */
export class ReceiveWindow {
  readonly #size: number;
  #left: number;
  #held = 0;

  constructor(size: number) {
    this.#size = size;
    this.#left = size;
  }

  /** What the peer may send without another word from us. */
  get left(): number {
    return this.#left;
  }

  /** What was granted beyond the window's size and is not taken. */
  get excess(): number {
    return Math.max(0, this.#left + this.#held - this.#size);
  }

  /** False: the peer has sent more than it may. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    this.#held += bytes;
    return this.#left >= 0;
  }

  grant(bytes: number): void {
    this.#left += bytes;
  }

  /** Somebody has taken so much of what came. How much to give back now: half a window at least, or 0. */
  consumed(bytes: number): number {
    this.#held -= bytes;
    const due = this.#size - this.#left - this.#held;
    if (due * 2 < this.#size) return 0;
    this.#left += due;
    return due;
  }
}
