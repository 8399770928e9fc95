import { type HeaderField, HpackDecoder, HpackError } from "./hpack-decoder.ts";
import { ConnectionError, ErrorCode, Flag, WINDOW_MAX } from "./http2-frames.ts";

/** Compressed, of all frames of a block; decoded it may be no larger either. */
const BLOCK_BYTES_MAX = 64 * 1024;
/** Frames of a block that is not too long: each could hold 16 KiB. */
const FRAMES_MAX = 16;

/** HEADERS and what follows it, until END_HEADERS. */
export class HeaderBlock {
  readonly stream: number;
  readonly endStream: boolean;
  /** A priority that makes the stream depend on itself (RFC 7540, 5.3.1). */
  readonly dependsOnItself: boolean;
  readonly #pieces: Buffer[];
  #bytes: number;
  #isComplete: boolean;

  constructor(stream: number, flags: number, payload: Buffer) {
    const unpadded = (flags & Flag.padded) === 0 ? payload : withoutPadding(payload);
    const hasPriority = (flags & Flag.priority) !== 0;
    if (hasPriority && unpadded.length < 5) throw new ConnectionError(ErrorCode.frameSize, "HEADERS cut short");
    const piece = hasPriority ? unpadded.subarray(5) : unpadded;
    this.stream = stream;
    this.endStream = (flags & Flag.endStream) !== 0;
    this.dependsOnItself = hasPriority && (unpadded.readUInt32BE(0) & WINDOW_MAX) === stream;
    this.#isComplete = (flags & Flag.endHeaders) !== 0;
    // A copy where it has to wait: the chunk that it lies in should not wait with it.
    this.#pieces = [this.#isComplete ? piece : Buffer.from(piece)];
    this.#bytes = piece.length;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  get bytes(): Buffer {
    const [first, ...more] = this.#pieces;
    return first !== undefined && more.length === 0 ? first : Buffer.concat(this.#pieces);
  }

  /** A CONTINUATION. Its sender may make a block as long as the limit, and not of more frames than that takes. */
  add(flags: number, payload: Buffer): void {
    this.#bytes += payload.length;
    if (this.#bytes > BLOCK_BYTES_MAX || this.#pieces.length >= FRAMES_MAX) {
      throw new ConnectionError(ErrorCode.enhanceYourCalm, "a header block over the limit");
    }
    this.#pieces.push(Buffer.from(payload));
    this.#isComplete = (flags & Flag.endHeaders) !== 0;
  }
}

/** Makes header blocks of frames, and fields of blocks. */
export class HeaderReader {
  readonly #decoder: HpackDecoder;
  #block: HeaderBlock | undefined;

  constructor(fieldBytesMax: number) {
    this.#decoder = new HpackDecoder(fieldBytesMax);
  }

  /** Nothing but CONTINUATION may come. */
  get isMidBlock(): boolean {
    return this.#block !== undefined;
  }

  /** The block, once it is complete. All of these throw ConnectionError. */
  headers(stream: number, flags: number, payload: Buffer): HeaderBlock | undefined {
    const block = new HeaderBlock(stream, flags, payload);
    if (block.isComplete) return block;
    this.#block = block;
    return undefined;
  }

  continuation(stream: number, flags: number, payload: Buffer): HeaderBlock | undefined {
    const block = this.#block;
    if (block === undefined || block.stream !== stream) {
      throw new ConnectionError(ErrorCode.protocol, "a CONTINUATION of nothing");
    }
    block.add(flags, payload);
    if (!block.isComplete) return undefined;
    this.#block = undefined;
    return block;
  }

  /** undefined where the fields are over the limit. */
  decode(block: HeaderBlock): readonly HeaderField[] | undefined {
    try {
      return this.#decoder.decode(block.bytes);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      throw new ConnectionError(ErrorCode.compression, error.message);
    }
  }
}

/** What is left of a padded payload (RFC 9113, 6.1). */
export function withoutPadding(payload: Buffer): Buffer {
  const padding = payload[0];
  if (padding === undefined || padding >= payload.length) {
    throw new ConnectionError(ErrorCode.protocol, "more padding than the frame holds");
  }
  return payload.subarray(1, payload.length - padding);
}
