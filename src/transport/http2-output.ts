import type { Socket } from "node:net";

/** What may wait in the socket before streams are told to wait; two of the kernel's usual socket buffers. */
const SOCKET_BYTES_MAX = 256 * 1024;
/**
 * What may wait before the peer is not read any further either: with answers that no window holds back (statuses, PING,
 * SETTINGS, resets) it would make us hold more by each request.
 */
const UNREAD_BYTES_MAX = SOCKET_BYTES_MAX + 1024 * 1024;

/**
 * What leaves on a connection. Frames of one turn are gathered and written at once: a write of the socket costs more
 * than all that is done for a small call.
 */
export class Http2Output {
  readonly #socket: Socket;
  readonly #onUnblocked: () => void;
  #frames: Buffer[] = [];
  #bytes = 0;
  #isScheduled = false;
  #isBlocked = false;

  /** `onUnblocked`: what was in the way has left, and streams that wait may go on. */
  constructor(socket: Socket, onUnblocked: () => void) {
    this.#socket = socket;
    this.#onUnblocked = onUnblocked;
    socket.on("drain", () => {
      if (socket.isPaused()) socket.resume();
      if (!this.#isBlocked) return;
      this.#isBlocked = false;
      onUnblocked();
    });
  }

  /** The socket holds so much that streams have to keep the rest. */
  get isBlocked(): boolean {
    return this.#isBlocked || this.#bytes > SOCKET_BYTES_MAX;
  }

  push(frame: Buffer): void {
    this.#frames.push(frame);
    this.#bytes += frame.length;
  }

  /** Writes what was pushed at the end of this turn, together with what else is pushed until then. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(this.#flushScheduled);
  }

  flush(): void {
    const frames = this.#frames;
    const [first] = frames;
    if (first === undefined) return;
    const bytes = frames.length === 1 ? first : Buffer.concat(frames, this.#bytes);
    const wasFull = this.isBlocked;
    this.#frames = [];
    this.#bytes = 0;
    const isRoomLeft = this.#socket.write(bytes);
    if (this.#socket.writableLength > UNREAD_BYTES_MAX) this.#socket.pause();
    if (!isRoomLeft && this.#socket.writableLength > SOCKET_BYTES_MAX) this.#isBlocked = true;
    else if (wasFull && !this.#isBlocked) this.#onUnblocked();
  }

  readonly #flushScheduled = (): void => {
    this.#isScheduled = false;
    this.flush();
  };
}
