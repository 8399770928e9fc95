import { HUFFMAN_LENGTHS } from "./hpack-tables.ts";

const SHORTEST = 5;
const LONGEST = 30;

interface Code {
  /** Of each length: its smallest code, how many codes it has, and where their bytes begin in `bytes`. */
  readonly first: Uint32Array;
  readonly count: Uint32Array;
  readonly start: Uint32Array;
  /** The bytes in the order of their codes. */
  readonly bytes: Uint8Array;
}

/** Made at the first use: a server that waits for its first client should not pay for it. */
let code: Code | undefined;

/**
 * The text of the bytes from `start` to `end`, one character for each byte; undefined where they are no Huffman coded
 * string: the end-of-string code in it, or a padding that is not the beginning of that code or longer than 7 bits.
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string | undefined {
  code ??= makeCode();
  // Bytes, and no text that grows: the runtime would keep that in as many pieces for as long as it is only compared.
  const text = Buffer.allocUnsafe(Math.ceil(((end - start) * 8) / SHORTEST));
  let textBytes = 0;
  let bits = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    for (let bit = 7; bit >= 0; bit--) {
      bits = (bits << 1) | ((byte >> bit) & 1);
      length++;
      if (length < SHORTEST) continue;
      if (length > LONGEST) return undefined;
      const rank = bits - (code.first[length] ?? 0);
      if (rank < 0 || rank >= (code.count[length] ?? 0)) continue;
      text[textBytes++] = code.bytes[(code.start[length] ?? 0) + rank] ?? 0;
      bits = 0;
      length = 0;
    }
  }
  return length <= 7 && bits === (1 << length) - 1 ? text.toString("latin1", 0, textBytes) : undefined;
}

function makeCode(): Code {
  const made: Code = {
    first: new Uint32Array(LONGEST + 1),
    count: new Uint32Array(LONGEST + 1),
    start: new Uint32Array(LONGEST + 1),
    bytes: new Uint8Array(HUFFMAN_LENGTHS.length),
  };
  for (const length of HUFFMAN_LENGTHS) made.count[length] = (made.count[length] ?? 0) + 1;
  for (let length = SHORTEST; length < LONGEST; length++) {
    const [first = 0, count = 0, start = 0] = [made.first[length], made.count[length], made.start[length]];
    made.first[length + 1] = (first + count) * 2;
    made.start[length + 1] = start + count;
  }
  const next = made.start.slice();
  for (const [byte, length] of HUFFMAN_LENGTHS.entries()) {
    const place = next[length] ?? 0;
    made.bytes[place] = byte;
    next[length] = place + 1;
  }
  return made;
}
