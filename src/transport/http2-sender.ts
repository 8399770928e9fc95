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

/** Less than the smallest event of a watch. */
const EARNING_BYTES = 64;

/** What leaves on a connection, and when: as much data as the windows and the socket take, in turns among streams. */
export class Http2Sender {
  readonly #output: Http2Output;
  readonly #budget: FloodBudget;
  /** Streams that wait for the connection's window or the socket, the one that has waited longest first. */
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
    while (stream.queuedBytes > 0) {
      const bytes = Math.min(stream.queuedBytes, stream.sendWindow, this.#window, FRAME_BYTES_MAX);
      if (bytes <= 0 || this.#output.isBlocked) {
        stream.isWaiting = true;
        // One whose own window is shut waits for that, and is not looked at before.
        if (stream.sendWindow > 0) this.#waiting.add(stream);
        return false;
      }
      const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + bytes);
      stream.takeQueued(frame, writeFrameHeader(frame, 0, bytes, FrameType.data, 0, stream.id));
      this.#output.push(frame);
      this.spend(bytes);
    }
    if (stream.isWaiting) {
      stream.isWaiting = false;
      this.#waiting.delete(stream);
      stream.queueEmpty();
    }
    return true;
  }

  /** A response that goes out as one: whether there is room for its data. */
  takesWhole(stream: Http2Stream, dataBytes: number): boolean {
    return dataBytes <= Math.min(stream.sendWindow, this.#window, FRAME_BYTES_MAX) && !this.#output.isBlocked;
  }

  /** Data has left, or is about to, that no queue has seen. */
  spend(bytes: number): void {
    this.#window -= bytes;
    // A peer that lets single bytes through makes work, and has earned nothing.
    if (bytes >= EARNING_BYTES) this.#budget.earn();
  }

  /** The peer takes more. Throws ConnectionError. */
  grow(by: number): void {
    this.#window += by;
    if (this.#window > WINDOW_MAX) throw new ConnectionError(ErrorCode.flowControl, "a window over the limit");
    this.pumpWaiting();
  }

  /** Each stream that waits has a turn, and is behind the others should it have to wait again. */
  pumpWaiting(): void {
    for (let turns = this.#waiting.size; turns > 0; turns--) {
      const [stream] = this.#waiting;
      if (stream === undefined || this.#window <= 0 || this.#output.isBlocked) return;
      this.#waiting.delete(stream);
      this.pump(stream);
    }
  }

  forget(stream: Http2Stream): void {
    this.#waiting.delete(stream);
  }
}
