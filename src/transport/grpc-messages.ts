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

/** Makes messages of the data of a request. */
export class MessageReader {
  readonly #bytesMax: number;
  /** The beginning of a message, prefix and all, in a buffer that grows with it. */
  #held: Buffer = NOTHING;
  #heldBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** A message has begun and is not complete. */
  get isMidMessage(): boolean {
    return this.#heldBytes > 0;
  }

  /** A message may be a view of the data. Throws the StatusError of one that cannot be. */
  read(data: Buffer, onMessage: (message: WireMessage) => void): void {
    let at = 0;
    while (at < data.length) {
      if (this.#heldBytes === 0) {
        const end = this.#endOf(data, at);
        if (end !== undefined && end <= data.length) {
          onMessage({ isCompressed: data[at] === 1, bytes: data.subarray(at + PREFIX_BYTES, end) });
          at = end;
          continue;
        }
      }
      at += this.#hold(data, at, PREFIX_BYTES);
      const end = this.#endOf(this.#held.subarray(0, this.#heldBytes), 0);
      if (end === undefined) return;
      at += this.#hold(data, at, end);
      if (this.#heldBytes < end) return;
      const whole = this.#held.subarray(0, end);
      this.#held = NOTHING;
      this.#heldBytes = 0;
      onMessage({ isCompressed: whole[0] === 1, bytes: whole.subarray(PREFIX_BYTES) });
    }
  }

  /** Where the message that begins at `at` ends; undefined while its prefix is not complete. */
  #endOf(data: Buffer, at: number): number | undefined {
    if (data.length - at < PREFIX_BYTES) return undefined;
    const flag = data[at] ?? 0;
    if (flag > 1) throw new StatusError("INVALID_ARGUMENT", `a message begins with ${flag}, which is no flag of gRPC`);
    const length = data.readUInt32BE(at + 1);
    if (length <= this.#bytesMax) return at + PREFIX_BYTES + length;
    throw new StatusError(
      "RESOURCE_EXHAUSTED",
      `a message of ${length} bytes: the limit is ${this.#bytesMax} (--max-message-bytes)`,
    );
  }

  /** Takes what there is, until `until` bytes are held; how many that were. */
  #hold(data: Buffer, at: number, until: number): number {
    const bytes = Math.min(until - this.#heldBytes, data.length - at);
    if (bytes <= 0) return 0;
    const needed = this.#heldBytes + bytes;
    if (needed > this.#held.length) {
      // Not all that the prefix speaks of: the rest may never come.
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(until, this.#held.length * 2), FIRST_CAPACITY));
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    data.copy(this.#held, this.#heldBytes, at, at + bytes);
    this.#heldBytes = needed;
    return bytes;
  }
}
