import { ErrorCode, encodeNumber, FrameType } from "./http2-frames.ts";
import type { ReceiveWindow } from "./http2-receive-window.ts";

/** What happens on a stream, to whoever answers its request. */
export interface StreamEvents {
  /** A whole DATA frame's payload. `consumed` of the stream gives its bytes' window back. */
  data(bytes: Buffer): void;
  /** The request is complete. */
  end(): void;
  /** All that was sent has been framed, after some of it had to wait. */
  drained(): void;
  /** Once, and the last of all. False: it was reset, or the connection is lost. */
  closed(isComplete: boolean): void;
}

/** What a stream needs of its connection. */
export interface StreamConnection {
  push(frame: Buffer): void;
  pushHeaders(stream: Http2Stream, block: Uint8Array, endStream: boolean): void;
  /** DATA of the stream, as much as windows and socket take; false where some has to wait. */
  pump(stream: Http2Stream): boolean;
  takesWhole(stream: Http2Stream, dataBytes: number): boolean;
  pushWhole(frames: Buffer, dataBytes: number): void;
  consumed(stream: Http2Stream, bytes: number): void;
  want(stream: Http2Stream, bytes: number): void;
  forget(stream: Http2Stream): void;
}

/** One request and its response. Whatever is sent after the end, or after a reset, goes nowhere. */
export class Http2Stream {
  readonly id: number;
  readonly connection: StreamConnection;
  events: StreamEvents;
  readonly receiveWindow: ReceiveWindow;
  /** The read of the connection that its headers came with. */
  readonly openedIn: number;
  /** How many bytes of DATA the peer takes; may be below 0 (RFC 9113, 6.9.2). */
  sendWindow: number;
  /** What content-length has promised; undefined where it has not. */
  expectedBytes: number | undefined = undefined;
  isRemoteEnded = false;
  /** Some of the queue could not go out at once. */
  isWaiting = false;
  isClosed = false;
  /** DATA that waits, in the order in which it goes out; `#headOffset` bytes of the first have gone. */
  readonly queue: Buffer[] = [];
  #headOffset = 0;
  queuedBytes = 0;
  #isLocalEnded = false;
  #trailers: Uint8Array | undefined;

  constructor(
    id: number,
    connection: StreamConnection,
    events: StreamEvents,
    sendWindow: number,
    receiveWindow: ReceiveWindow,
    openedIn: number,
  ) {
    this.id = id;
    this.connection = connection;
    this.events = events;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
    this.openedIn = openedIn;
  }

  sendHeaders(block: Uint8Array, endStream: boolean): void {
    if (this.#isLocalEnded || this.isClosed) return;
    this.connection.pushHeaders(this, block, endStream);
    if (endStream) this.#localEnd();
  }

  /** False: it waits, and `drained` follows. */
  sendData(...pieces: readonly Buffer[]): boolean {
    if (this.#isLocalEnded || this.isClosed) return false;
    const isFirst = this.queue.length === 0;
    for (const bytes of pieces) {
      if (bytes.length === 0) continue;
      this.queue.push(bytes);
      this.queuedBytes += bytes.length;
    }
    return isFirst && this.connection.pump(this);
  }

  /** Ends the response, behind all data. */
  sendTrailers(block: Uint8Array): void {
    if (this.#isLocalEnded || this.isClosed || this.#trailers !== undefined) return;
    this.#trailers = block;
    if (this.queue.length === 0) this.#endWithTrailers();
  }

  /** Whether a whole response with this much data can leave at once. */
  takesWhole(dataBytes: number): boolean {
    return !this.isClosed && this.connection.takesWhole(this, dataBytes);
  }

  /** Frames that hold a whole response, its end included. Nothing else may have been sent; `takesWhole` was true. */
  sendWhole(frames: Buffer, dataBytes: number): void {
    this.sendFrame(frames, dataBytes);
    this.#localEnd();
  }

  /** A frame of data as it is; `takesWhole` was true, and nothing waits. */
  sendFrame(frame: Buffer, dataBytes: number): void {
    this.sendWindow -= dataBytes;
    this.connection.pushWhole(frame, dataBytes);
  }

  /** Fills the buffer from `at` on with the queue's first bytes, which count as sent. */
  takeQueued(to: Buffer, at: number): void {
    this.sendWindow -= to.length - at;
    this.queuedBytes -= to.length - at;
    for (let end = at; end < to.length; ) {
      const [head] = this.queue;
      if (head === undefined) return;
      const copied = head.copy(to, end, this.#headOffset);
      end += copied;
      this.#headOffset += copied;
      if (this.#headOffset < head.length) return;
      this.queue.shift();
      this.#headOffset = 0;
    }
  }

  /** The connection has framed all data, after some of it had to wait. */
  queueEmpty(): void {
    if (this.#trailers !== undefined) this.#endWithTrailers();
    else this.events.drained();
  }

  reset(code: number): void {
    if (this.isClosed) return;
    this.connection.push(encodeNumber(FrameType.rstStream, this.id, code));
    this.close(false);
  }

  /** Data was taken, and more may come in its place. */
  consumed(bytes: number): void {
    if (bytes > 0 && !this.isClosed) this.connection.consumed(this, bytes);
  }

  /** What is here is of no use before so many bytes more are, of which the window may have room for a part only. */
  want(bytes: number): void {
    if (bytes > 0) this.connection.want(this, bytes);
  }

  /** So much more of the request is here. False: it is not as long as its content-length says, and reset for it. */
  keepsLength(bytes: number, isEnd: boolean): boolean {
    if (this.expectedBytes === undefined) return true;
    this.expectedBytes -= bytes;
    if (this.expectedBytes >= 0 && (!isEnd || this.expectedBytes === 0)) return true;
    this.reset(ErrorCode.protocol);
    return false;
  }

  remoteEnd(): void {
    this.isRemoteEnded = true;
    this.events.end();
  }

  close(isComplete: boolean): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.queue.length = 0;
    this.queuedBytes = 0;
    this.connection.forget(this);
    this.events.closed(isComplete);
  }

  #endWithTrailers(): void {
    const block = this.#trailers;
    if (block === undefined) return;
    this.#trailers = undefined;
    this.connection.pushHeaders(this, block, true);
    this.#localEnd();
  }

  /** Whoever still sends a request that has its answer may stop (RFC 9113, 8.1). */
  #localEnd(): void {
    this.#isLocalEnded = true;
    if (!this.isRemoteEnded) this.connection.push(encodeNumber(FrameType.rstStream, this.id, ErrorCode.none));
    this.close(true);
  }
}
