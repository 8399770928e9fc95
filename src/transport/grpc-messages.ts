import { StatusError } from "../base/status-error.ts";

/** One message as it came, without its prefix. */
export interface WireMessage {
  readonly isCompressed: boolean;
  readonly bytes: Buffer;
}

/** A flag and the length of what follows. */
export const PREFIX_BYTES = 5;
const NOTHING = Buffer.alloc(0);
const FIRST_CAPACITY = 256;

/** Makes messages of the data of a request, one whenever it is asked for one. */
export class MessageReader {
  readonly #bytesMax: number;
  /** What was added and not read, from `#start` to `#end`: in the data itself, or in a buffer that grows with it. */
  #bytes: Buffer = NOTHING;
  #start = 0;
  #end = 0;
  #isOwn = true;
  /** Where it is known: how long the next message is, with its prefix. */
  #needed = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Nothing, not even the beginning of a message, is left. */
  get isEmpty(): boolean {
    return this.#start === this.#end;
  }

  /** How much of the next message is still to come; 0 where none has begun as far as is known. */
  get missingBytes(): number {
    return Math.max(0, this.#needed - (this.#end - this.#start));
  }

  /** `data` is not copied before `keep`, and a message may be a view of it. */
  add(data: Buffer): void {
    if (this.isEmpty) {
      this.#bytes = data;
      this.#start = 0;
      this.#end = data.length;
      this.#isOwn = false;
      return;
    }
    this.#reserve(data.length);
    data.copy(this.#bytes, this.#end);
    this.#end += data.length;
  }

  /** undefined while it is not complete. Throws the StatusError of one that cannot be. */
  next(): WireMessage | undefined {
    const held = this.#end - this.#start;
    if (held < PREFIX_BYTES) return undefined;
    const flag = this.#bytes[this.#start] ?? 0;
    if (flag > 1) throw new StatusError("INVALID_ARGUMENT", `a message begins with ${flag}, which is no flag of gRPC`);
    const length = this.#bytes.readUInt32BE(this.#start + 1);
    if (length > this.#bytesMax) {
      const limit = `the limit of this method is ${this.#bytesMax}`;
      throw new StatusError("RESOURCE_EXHAUSTED", `a message of ${length} bytes: ${limit}`);
    }
    this.#needed = PREFIX_BYTES + length;
    if (held < this.#needed) return undefined;
    const at = this.#start + PREFIX_BYTES;
    this.#start += this.#needed;
    this.#needed = 0;
    return { isCompressed: flag === 1, bytes: this.#bytes.subarray(at, this.#start) };
  }

  /** Lets go of what was added; what is left of it is copied, for a view would hold on to the chunk that it lies in. */
  keep(): void {
    if (this.isEmpty) {
      this.#bytes = NOTHING;
      this.#start = 0;
      this.#end = 0;
    } else if (!this.#isOwn) this.#reserve(0);
  }

  /** Makes room for so many bytes more, in a buffer of our own. */
  #reserve(bytes: number): void {
    const held = this.#end - this.#start;
    if (this.#isOwn && this.#end + bytes <= this.#bytes.length) return;
    const enough = held + bytes;
    // Not all that a prefix speaks of, which may never come.
    const ahead = this.#needed > enough ? Math.min(2 * held, this.#needed) : 2 * held;
    const grown = Buffer.allocUnsafeSlow(Math.max(enough, ahead, FIRST_CAPACITY));
    this.#bytes.copy(grown, 0, this.#start, this.#end);
    this.#bytes = grown;
    this.#start = 0;
    this.#end = held;
    this.#isOwn = true;
  }
}
