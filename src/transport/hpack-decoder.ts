import { decodeHuffman } from "./hpack-huffman.ts";
import { STATIC_FIELDS } from "./hpack-tables.ts";

/** One header of a request. Text has one character for each byte that came. */
export interface HeaderField {
  readonly name: string;
  readonly value: string;
  /** Whether RFC 9113, 8.2.1 allows the name and the value. */
  readonly isValid: boolean;
}

/** The block is not HPACK; what follows it on the connection cannot be read either. */
export class HpackError extends Error {
  override readonly name = "HpackError";
}

/** What SETTINGS_HEADER_TABLE_SIZE is when nobody has said anything; we do not. */
const TABLE_BYTES_MAX = 4_096;
/** What a field counts beyond its name and value (RFC 7541, 4.1). */
const FIELD_OVERHEAD = 32;
/** No length or index of ours comes near it; beyond it a number is an attack. */
const INTEGER_MAX = 2 ** 28;

const NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;

const STATIC_TABLE: readonly HeaderField[] = STATIC_FIELDS.map(([name, value]) => ({ name, value, isValid: true }));

/** The receiving half of HPACK (RFC 7541). One for each connection: its table grows with what the peer sends. */
export class HpackDecoder {
  readonly #fieldBytesMax: number;
  /** The newest field is the last. */
  readonly #table: HeaderField[] = [];
  #tableBytes = 0;
  #tableLimit = TABLE_BYTES_MAX;
  #at = 0;

  /** `fieldBytesMax`: of one block, names, values and 32 for each field. */
  constructor(fieldBytesMax: number) {
    this.#fieldBytesMax = fieldBytesMax;
  }

  /**
   * The fields of a whole block; undefined where they are over the limit. The table is right in both cases. Throws
   * HpackError.
   */
  decode(block: Uint8Array): readonly HeaderField[] | undefined {
    const fields: HeaderField[] = [];
    let bytes = 0;
    this.#at = 0;
    while (this.#at < block.length) {
      const field = this.#field(block, fields.length === 0 && bytes === 0);
      if (field === undefined) continue;
      bytes += sizeOf(field);
      if (bytes <= this.#fieldBytesMax) fields.push(field);
    }
    return bytes <= this.#fieldBytesMax ? fields : undefined;
  }

  /** The next field; undefined for a change of the table's size, which may stand at the beginning only. */
  #field(block: Uint8Array, isFirst: boolean): HeaderField | undefined {
    const head = block[this.#at] ?? 0;
    if (head >= 0x80) return this.#indexed(this.#integer(block, 7));
    if (head >= 0x40) return this.#add(this.#literal(block, 6));
    if (head < 0x20) return this.#literal(block, 4);
    if (!isFirst) throw new HpackError("a change of the table's size after a field");
    this.#resize(this.#integer(block, 5));
    return undefined;
  }

  #indexed(index: number): HeaderField {
    const field =
      index <= STATIC_TABLE.length
        ? STATIC_TABLE[index - 1]
        : this.#table[this.#table.length - (index - STATIC_TABLE.length)];
    if (field === undefined) throw new HpackError("an index that is not in the table");
    return field;
  }

  #literal(block: Uint8Array, prefixBits: number): HeaderField {
    const index = this.#integer(block, prefixBits);
    const known = index === 0 ? undefined : this.#indexed(index);
    const name = known === undefined ? this.#string(block) : known.name;
    const value = this.#string(block);
    return { name, value, isValid: NAME.test(name) && !BAD_VALUE.test(value) };
  }

  #add(field: HeaderField): HeaderField {
    this.#table.push(field);
    this.#tableBytes += sizeOf(field);
    this.#evict();
    return field;
  }

  #resize(limit: number): void {
    if (limit > TABLE_BYTES_MAX) throw new HpackError("a table over the limit");
    this.#tableLimit = limit;
    this.#evict();
  }

  /** A field that is larger than the table empties it, and does not stay either. */
  #evict(): void {
    while (this.#tableBytes > this.#tableLimit) {
      const oldest = this.#table.shift();
      if (oldest === undefined) break;
      this.#tableBytes -= sizeOf(oldest);
    }
  }

  #string(block: Uint8Array): string {
    const isHuffman = ((block[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(block, 7);
    const start = this.#at;
    const end = start + length;
    if (end > block.length) throw new HpackError("a string cut short");
    this.#at = end;
    if (!isHuffman) return latin1(block, start, end);
    const text = decodeHuffman(block, start, end);
    if (text === undefined) throw new HpackError("a string that is not Huffman coded");
    return text;
  }

  /** RFC 7541, 5.1: what does not fit the prefix follows in groups of 7 bits, the lowest first. */
  #integer(block: Uint8Array, prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (block[this.#at++] ?? 0) & mask;
    if (this.#at > block.length) throw new HpackError("a number cut short");
    if (value < mask) return value;
    for (let scale = 1; ; scale *= 128) {
      const byte = block[this.#at++];
      if (byte === undefined) throw new HpackError("a number cut short");
      value += (byte & 0x7f) * scale;
      if (value > INTEGER_MAX || scale > INTEGER_MAX) throw new HpackError("a number that is too large");
      if (byte < 0x80) return value;
    }
  }
}

function sizeOf(field: HeaderField): number {
  return field.name.length + field.value.length + FIELD_OVERHEAD;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
