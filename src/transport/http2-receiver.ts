import { encodeNumber, FrameType } from "./http2-frames.ts";
import type { Http2Limits } from "./http2-settings.ts";
import type { Http2Stream } from "./http2-stream.ts";

/**
 * What a peer may send, and when. Each stream has a small window, and one whose message is longer is granted the rest
 * of it in its turn. The connection's own window is given back as data comes: were it to bound what is held, a few
 * messages that come side by side could close it, each for the others, and none would ever be whole.
 */
export class Http2Receiver {
  readonly #push: (frame: Buffer) => void;
  readonly #connectionWindow: number;
  readonly #grantedBytesMax: number;
  /** Streams that wait for their turn, and what they want. */
  readonly #waiting = new Map<Http2Stream, number>();
  #granted = 0;
  #arrived = 0;

  constructor(push: (frame: Buffer) => void, limits: Http2Limits) {
    this.#push = push;
    this.#connectionWindow = limits.connectionWindow;
    this.#grantedBytesMax = limits.grantedBytesMax;
  }

  /** Data has come, on whatever stream. */
  arrived(bytes: number): void {
    this.#arrived += bytes;
    if (this.#arrived * 2 < this.#connectionWindow) return;
    this.#push(encodeNumber(FrameType.windowUpdate, 0, this.#arrived));
    this.#arrived = 0;
  }

  consumed(stream: Http2Stream, bytes: number): void {
    const { receiveWindow } = stream;
    const before = receiveWindow.excess;
    const due = receiveWindow.consumed(bytes);
    if (due > 0 && !stream.isRemoteEnded) this.#push(encodeNumber(FrameType.windowUpdate, stream.id, due));
    this.#release(before - receiveWindow.excess);
  }

  /** Nothing of the stream is of use before so many bytes more are here: they may come, if not all at once. */
  want(stream: Http2Stream, bytes: number): void {
    const more = bytes - stream.receiveWindow.left;
    if (more <= 0) return;
    // One that has had its turn, and lost some of it to padding, does not wait again behind those that wait for it.
    const hasTurn = stream.receiveWindow.excess > 0 || (this.#waiting.size === 0 && this.#hasRoom(more));
    if (hasTurn) this.#grant(stream, more);
    else this.#waiting.set(stream, bytes);
  }

  forget(stream: Http2Stream): void {
    this.#waiting.delete(stream);
    this.#release(stream.receiveWindow.excess);
  }

  #hasRoom(bytes: number): boolean {
    return this.#granted === 0 || this.#granted + bytes <= this.#grantedBytesMax;
  }

  #grant(stream: Http2Stream, bytes: number): void {
    const { receiveWindow } = stream;
    const before = receiveWindow.excess;
    receiveWindow.grant(bytes);
    this.#granted += receiveWindow.excess - before;
    this.#push(encodeNumber(FrameType.windowUpdate, stream.id, bytes));
  }

  #release(bytes: number): void {
    if (bytes <= 0) return;
    this.#granted -= bytes;
    for (const [stream, wanted] of this.#waiting) {
      const more = wanted - stream.receiveWindow.left;
      if (!this.#hasRoom(more)) return;
      this.#waiting.delete(stream);
      if (more > 0) this.#grant(stream, more);
    }
  }
}
