import { HUFFMAN_LENGTHS } from "./hpack-tables.ts";

const SHORTEST = 5;
const LONGEST = 30;
/** Of each length: its smallest code, how many codes it has, and where their bytes begin in `SYMBOLS`. */
const FIRST_CODE = new Uint32Array(LONGEST + 1);
const CODES = new Uint32Array(LONGEST + 1);
const FIRST_SYMBOL = new Uint32Array(LONGEST + 1);
/** The bytes in the order of their codes. */
const SYMBOLS = new Uint8Array(HUFFMAN_LENGTHS.length);

let nextCode = 0;
let nextSymbol = 0;
for (let length = SHORTEST; length <= LONGEST; length++) {
  FIRST_CODE[length] = nextCode;
  FIRST_SYMBOL[length] = nextSymbol;
  for (let byte = 0; byte < HUFFMAN_LENGTHS.length; byte++) {
    if (HUFFMAN_LENGTHS[byte] === length) SYMBOLS[nextSymbol++] = byte;
  }
  CODES[length] = nextSymbol - (FIRST_SYMBOL[length] ?? 0);
  nextCode = (nextCode + (CODES[length] ?? 0)) * 2;
}

/**
 * The text of the bytes from `start` to `end`, one character for each byte; undefined where they are no Huffman coded
 * string: the end-of-string code in it, or a padding that is not the beginning of that code or longer than 7 bits.
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = "";
  let code = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    for (let bit = 7; bit >= 0; bit--) {
      code = (code << 1) | ((byte >> bit) & 1);
      length++;
      if (length < SHORTEST) continue;
      if (length > LONGEST) return undefined;
      const rank = code - (FIRST_CODE[length] ?? 0);
      if (rank < 0 || rank >= (CODES[length] ?? 0)) continue;
      text += String.fromCharCode(SYMBOLS[(FIRST_SYMBOL[length] ?? 0) + rank] ?? 0);
      code = 0;
      length = 0;
    }
  }
  return length <= 7 && code === (1 << length) - 1 ? text : undefined;
}
