/**
 * The most that a status text takes on the wire. Clients built on C-core refuse headers above 8 KiB in sum; half of
 * that leaves the other half to the remaining trailers.
 */
export const STATUS_TEXT_MAX_BYTES = 4_096;

/** What spaces at the beginning and the end take beyond other spaces. */
const EDGES_BYTES = 4;

/** Makes a text fit for the grpc-message header, which has to stay small. Cuts between code points. */
export function boundText(text: string): string {
  const wellFormed = text.toWellFormed();
  let bytes = EDGES_BYTES;
  let end = 0;
  for (const point of wellFormed) {
    bytes += encodedBytes(point.codePointAt(0) ?? 0);
    if (bytes > STATUS_TEXT_MAX_BYTES) return wellFormed.slice(0, end);
    end += point.length;
  }
  return wellFormed;
}

/** What gRPC over HTTP/2 leaves as it is in grpc-message: what can be printed, but for the percent. */
const PLAIN = /^[ -$&-~]*$/;
const SPACE = 0x20;

/** How long a code point is in grpc-message: itself, or three bytes for each byte of its UTF-8. */
function encodedBytes(codePoint: number): number {
  if (codePoint < 0x80) return PLAIN.test(String.fromCharCode(codePoint)) ? 1 : 3;
  if (codePoint < 0x800) return 6;
  return codePoint < 0x10000 ? 9 : 12;
}

/** A well-formed text as grpc-message has it. */
export function percentEncode(text: string): string {
  if (PLAIN.test(text) && text === text.trim()) return text;
  const bytes = Buffer.from(text);
  let encoded = "";
  for (const [i, byte] of bytes.entries()) {
    // A space at either end would be no part of a header's value.
    const isEdge = byte === SPACE && (i === 0 || i === bytes.length - 1);
    const char = String.fromCharCode(byte);
    encoded += PLAIN.test(char) && !isEdge ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
