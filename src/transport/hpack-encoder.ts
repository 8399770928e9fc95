import { STATIC_FIELDS } from "./hpack-tables.ts";

/**
 * A header block of literals that neither side keeps: our replies have so few headers, nearly always the same ones,
 * that a table would cost more than it saves. A character of a value stands for one byte, 0 to 255.
 */
export function encodeFields(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => encodeField(name, value)));
}

function encodeField(name: string, value: string): Buffer {
  const whole = STATIC_FIELDS.findIndex(([n, v]) => n === name && v === value);
  if (whole >= 0) return encodeInteger(whole + 1, 7, 0x80);
  const index = STATIC_FIELDS.findIndex(([n]) => n === name);
  const head = encodeInteger(index + 1, 4, 0);
  return Buffer.concat(index >= 0 ? [head, encodeString(value)] : [head, encodeString(name), encodeString(value)]);
}

function encodeString(text: string): Buffer {
  return Buffer.concat([encodeInteger(text.length, 7, 0), Buffer.from(text, "latin1")]);
}

/** RFC 7541, 5.1. `flags` are the bits above the prefix. */
function encodeInteger(value: number, prefixBits: number, flags: number): Buffer {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) return Buffer.from([flags | value]);
  const bytes = [flags | mask];
  let rest = value - mask;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}
