import type { Socket } from "node:net";
import type { FloodBudget } from "./http2-flood-budget.ts";
import {
  ConnectionError,
  ErrorCode,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameType,
  WINDOW_DEFAULT,
  WINDOW_MAX,
  writeFrameHeader,
} from "./http2-frames.ts";
import { Http2Output } from "./http2-output.ts";
import type { Http2Stream } from "./http2-stream.ts";

/** What leaves on a connection, and when: as much data as the windows and the socket take, in turns among streams. */
export class Http2Sender {
  readonly #output: Http2Output;
  readonly #budget: FloodBudget;
  /** Streams with data that has to wait, the one that has waited longest first. */
  readonly #waiting = new Set<Http2Stream>();
  #window = WINDOW_DEFAULT;

  constructor(socket: Socket, budget: FloodBudget) {
    this.#output = new Http2Output(socket, () => {
      this.pumpWaiting();
      this.#output.schedule();
    });
    this.#budget = budget;
  }

  push(frame: Buffer): void {
    this.#output.push(frame);
  }

  schedule(): void {
    this.#output.schedule();
  }

  flush(): void {
    this.#output.flush();
  }

  /** DATA of the stream, as much as goes; false where some has to wait. */
  pump(stream: Http2Stream): boolean {
    const { queue } = stream;
    for (let head = queue[0]; head !== undefined; head = queue[0]) {
      const left = head.length - stream.headOffset;
      const bytes = Math.min(left, stream.sendWindow, this.#window, FRAME_BYTES_MAX);
      if (bytes <= 0 || this.#output.isBlocked) {
        this.#waiting.add(stream);
        return false;
      }
      const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + bytes);
      writeFrameHeader(frame, 0, bytes, FrameType.data, 0, stream.id);
      head.copy(frame, FRAME_HEADER_BYTES, stream.headOffset, stream.headOffset + bytes);
      this.#output.push(frame);
      this.spend(bytes);
      stream.sent(bytes);
    }
    if (this.#waiting.delete(stream)) stream.queueEmpty();
    return true;
  }

  /** A response that goes out as one: whether there is room for its data. */
  takesWhole(stream: Http2Stream, dataBytes: number): boolean {
    return dataBytes <= Math.min(stream.sendWindow, this.#window, FRAME_BYTES_MAX) && !this.#output.isBlocked;
  }

  /** Data has left, or is about to, that no queue has seen. */
  spend(bytes: number): void {
    this.#window -= bytes;
    this.#budget.earn();
  }

  /** The peer takes more. Throws ConnectionError. */
  grow(by: number): void {
    this.#window += by;
    if (this.#window > WINDOW_MAX) throw new ConnectionError(ErrorCode.flowControl, "a window over the limit");
    this.pumpWaiting();
  }

  pumpWaiting(): void {
    for (const stream of [...this.#waiting]) {
      if (this.#window <= 0 || this.#output.isBlocked) return;
      // Behind the others, should it have to wait again.
      if (!this.pump(stream)) {
        this.#waiting.delete(stream);
        this.#waiting.add(stream);
      }
    }
  }

  forget(stream: Http2Stream): void {
    this.#waiting.delete(stream);
  }
}
