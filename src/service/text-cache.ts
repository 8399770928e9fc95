/** Longer texts are mostly messages, which say something else each time. */
const TEXT_MAX = 64;
/** A power of two; a node's providers use some hundred names, types and reasons. */
const SLOTS = 1_024;

/**
 * ASCII text out of bytes, where the same few texts come again and again: the runtime takes longer to make a string,
 * and to hash it at its first lookup in a map, than it takes to compare it with the one that came before.
 *
 * Bounded: a text takes the place of another one of the same hash.
 */
export class TextCache {
  readonly #texts: string[] = new Array(SLOTS).fill("");

  /** What lies from `start` to before `end`; undefined where it is not ASCII. */
  read(bytes: Uint8Array, start: number, end: number): string | undefined {
    let hash = end - start;
    let bits = 0;
    for (let i = start; i < end; i++) {
      const byte = bytes[i] ?? 0;
      bits |= byte;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    if (bits > 0x7f) return undefined;
    if (end - start > TEXT_MAX) return asText(bytes, start, end);
    const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1);
    const known = this.#texts[slot] ?? "";
    if (isText(known, bytes, start, end)) return known;
    const text = asText(bytes, start, end);
    this.#texts[slot] = text;
    return text;
  }
}

function isText(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

function asText(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
