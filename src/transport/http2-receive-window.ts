/** What a peer may still send, on a stream or a connection. It gets back what was consumed, half a window at a time. */
export class ReceiveWindow {
  readonly #size: number;
  #left: number;
  #consumed = 0;

  constructor(size: number) {
    this.#size = size;
    this.#left = size;
  }

  /** False: the peer has sent more than it may. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** How much to tell the peer now; 0 while it is not worth a frame. */
  giveBack(bytes: number): number {
    this.#consumed += bytes;
    if (this.#consumed * 2 < this.#size) return 0;
    const given = this.#consumed;
    this.#left += given;
    this.#consumed = 0;
    return given;
  }
}
