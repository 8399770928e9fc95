import { Code, type CodeName, type StatusError } from "../base/status-error.ts";

/**
 * The most that a status text takes on the wire. Clients built on C-core refuse headers above 8 KiB in sum; half of
 * that leaves the other half to the remaining trailers.
 */
export const STATUS_TEXT_MAX_BYTES = 4_096;

const CODE_NAMES: readonly CodeName[] = (Object.keys(Code) as CodeName[]).sort((a, b) => Code[a] - Code[b]);

/** The name of a code on the wire; UNKNOWN for numbers that the specification does not have. */
export function codeName(code: number | undefined): CodeName {
  return CODE_NAMES[code ?? Code.UNKNOWN] ?? "UNKNOWN";
}

export interface WireStatus {
  readonly code: number;
  readonly details: string;
}

export function toWireStatus(error: StatusError): WireStatus {
  return { code: Code[error.code], details: boundText(error.message) };
}

/**
 * Makes a text fit for the grpc-message header: the library percent-encodes it with encodeURI, which throws on a lone
 * surrogate, and a header has to stay small. Cuts between code points.
 */
export function boundText(text: string): string {
  const wellFormed = text.toWellFormed();
  let bytes = 0;
  let end = 0;
  for (const point of wellFormed) {
    bytes += encodedBytes(point.codePointAt(0) ?? 0);
    if (bytes > STATUS_TEXT_MAX_BYTES) return wellFormed.slice(0, end);
    end += point.length;
  }
  return wellFormed;
}

/** What encodeURI leaves as it is. */
const PLAIN = /^[A-Za-z0-9;,/?:@&=+$\-_.!~*'()#]$/;

/** What encodeURI makes of a code point: itself, or three bytes for each byte of its UTF-8. */
function encodedBytes(codePoint: number): number {
  if (codePoint < 0x80) return PLAIN.test(String.fromCharCode(codePoint)) ? 1 : 3;
  if (codePoint < 0x800) return 6;
  return codePoint < 0x10000 ? 9 : 12;
}
