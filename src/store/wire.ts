/** The parts of protobuf's encoding that the store writes by itself. Lengths and numbers are whole and not negative. */

const encoder = new TextEncoder();
const VARINT = 0;
const LENGTH_DELIMITED = 2;

/** The tag of a number, and of text or a message. Fields below 16 have a tag of one byte. */
export const numberTag = (field: number): number => (field << 3) | VARINT;
export const bytesTag = (field: number): number => (field << 3) | LENGTH_DELIMITED;

export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) length++;
  return length;
}

/** Where the value ends; so do all functions here that write. */
export function writeVarint(to: Uint8Array, at: number, value: number): number {
  let end = at;
  let rest = value;
  while (rest > 0x7f) {
    to[end++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  to[end++] = rest;
  return end;
}

/** Of a field whose body has so many bytes: tag, length and body. */
export function fieldLength(bodyLength: number): number {
  return 1 + varintLength(bodyLength) + bodyLength;
}

/** Tag and length; the body follows. */
export function writeFieldHead(to: Uint8Array, at: number, tag: number, bodyLength: number): number {
  to[at] = tag;
  return writeVarint(to, at + 1, bodyLength);
}

export function writeBytesField(to: Uint8Array, at: number, tag: number, body: Uint8Array): number {
  const bodyAt = writeFieldHead(to, at, tag, body.length);
  to.set(body, bodyAt);
  return bodyAt + body.length;
}

/** Text as a field; nothing where it is empty, as proto3 has it. `textBytes` is what `utf8Length` says. */
export function writeTextField(to: Uint8Array, at: number, tag: number, text: string, textBytes: number): number {
  if (textBytes === 0) return at;
  const bodyAt = writeFieldHead(to, at, tag, textBytes);
  if (textBytes === text.length) for (let i = 0; i < textBytes; i++) to[bodyAt + i] = text.charCodeAt(i);
  else to.set(encoder.encode(text), bodyAt);
  return bodyAt + textBytes;
}

export function utf8Length(text: string): number {
  return Buffer.byteLength(text, "utf8");
}

/** 0 for a text that is left out. */
export function textFieldLength(textBytes: number): number {
  return textBytes === 0 ? 0 : fieldLength(textBytes);
}

export function bytesField(tag: number, body: Uint8Array): Uint8Array {
  const field = new Uint8Array(fieldLength(body.length));
  writeBytesField(field, 0, tag, body);
  return field;
}

/** 0 for a number that is left out, as proto3 has it for 0. */
export function numberFieldLength(value: number): number {
  return value === 0 ? 0 : 1 + varintLength(value);
}

/** Nothing where it is 0. */
export function writeNumberField(to: Uint8Array, at: number, tag: number, value: number): number {
  if (value === 0) return at;
  to[at] = tag;
  return writeVarint(to, at + 1, value);
}

export function numberField(tag: number, value: number): Uint8Array {
  const field = new Uint8Array(numberFieldLength(value));
  writeNumberField(field, 0, tag, value);
  return field;
}
