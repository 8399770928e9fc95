import {
  ConnectionError,
  ErrorCode,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  PREFACE,
  WINDOW_MAX,
} from "./http2-frames.ts";

/** `payload` is a view of what came; whoever keeps it keeps that. */
export type FrameListener = (type: number, flags: number, stream: number, payload: Buffer) => void;

const NOTHING = Buffer.alloc(0);

/** Makes whole frames of what comes on a connection: the client's preface first, and then one frame after the other. */
export class FrameReader {
  readonly #onFrame: FrameListener;
  /** Bytes of the preface, or of a frame, that is not complete. */
  #rest: Buffer = NOTHING;
  #hasPreface = false;
  #isStopped = false;
  /** How many were whole. */
  frames = 0;

  constructor(onFrame: FrameListener) {
    this.#onFrame = onFrame;
  }

  get isMidFrame(): boolean {
    return this.#rest.length > 0;
  }

  /** No further frame, also of those that are here. */
  stop(): void {
    this.#isStopped = true;
    this.#rest = NOTHING;
  }

  /** Throws ConnectionError, and whatever the listener throws. */
  read(chunk: Buffer): void {
    const input = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = this.#readPreface(input);
    while (this.#hasPreface && at + FRAME_HEADER_BYTES <= input.length && !this.#isStopped) {
      const length = input.readUIntBE(at, 3);
      if (length > FRAME_BYTES_MAX) throw new ConnectionError(ErrorCode.frameSize, "a frame over the limit");
      const payloadAt = at + FRAME_HEADER_BYTES;
      if (payloadAt + length > input.length) break;
      const stream = input.readUInt32BE(at + 5) & WINDOW_MAX;
      const payload = input.subarray(payloadAt, payloadAt + length);
      this.frames++;
      this.#onFrame(input[at + 3] ?? 0, input[at + 4] ?? 0, stream, payload);
      at = payloadAt + length;
    }
    if (this.#isStopped) return;
    // A copy: a view would hold on to the whole chunk.
    this.#rest = at === input.length ? NOTHING : Buffer.from(input.subarray(at));
  }

  #readPreface(input: Buffer): number {
    if (this.#hasPreface) return 0;
    const bytes = Math.min(input.length, PREFACE.length);
    if (!input.subarray(0, bytes).equals(PREFACE.subarray(0, bytes))) {
      throw new ConnectionError(ErrorCode.protocol, "not the preface of HTTP/2");
    }
    if (bytes < PREFACE.length) return 0;
    this.#hasPreface = true;
    return bytes;
  }
}
