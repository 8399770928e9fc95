import { parseTimeout } from "./grpc-timeout.ts";
import type { HeaderField } from "./hpack-decoder.ts";

/** What matters of a request's headers. */
export interface GrpcRequest {
  /** What follows the slash of the path: `package.Service/Method`. */
  readonly method: string;
  readonly httpMethod: string;
  /** Empty where there is none. */
  readonly contentType: string;
  /** grpc-encoding; "identity" where there is none. */
  readonly encoding: string;
  /** undefined for ever. */
  readonly timeoutMs: number | undefined;
  readonly hasBadTimeout: boolean;
  readonly contentLength: number | undefined;
}

/** Of HTTP/1.1 and no request's (RFC 9113, 8.2.2). */
const CONNECTION_HEADERS = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);
const DIGITS = /^\d{1,15}$/;

/** undefined where HTTP/2 says that the request is malformed (RFC 9113, 8.1.1): the stream is reset then. */
export function readRequest(fields: readonly HeaderField[]): GrpcRequest | undefined {
  const pseudo: Pseudo = { method: undefined, path: undefined, scheme: undefined, authority: undefined };
  let isPastPseudo = false;
  let contentType = "";
  let encoding = "identity";
  let timeoutMs: number | undefined;
  let hasBadTimeout = false;
  let contentLength: number | undefined;
  for (const { name, value, isValid } of fields) {
    if (!isValid) return undefined;
    if (name.startsWith(":")) {
      if (isPastPseudo || !setPseudo(pseudo, name, value)) return undefined;
      continue;
    }
    isPastPseudo = true;
    switch (name) {
      case "content-type":
        contentType = value;
        break;
      case "te":
        if (value !== "trailers") return undefined;
        break;
      case "grpc-timeout":
        timeoutMs = parseTimeout(value);
        hasBadTimeout ||= timeoutMs === undefined;
        break;
      case "grpc-encoding":
        encoding = value;
        break;
      case "content-length":
        if (!DIGITS.test(value) || (contentLength ?? Number(value)) !== Number(value)) return undefined;
        contentLength = Number(value);
        break;
      default:
        if (CONNECTION_HEADERS.has(name)) return undefined;
    }
  }
  const { method: httpMethod, path, scheme } = pseudo;
  // None, and an empty one, are both malformed.
  if (!httpMethod || !scheme || !path?.startsWith("/")) return undefined;
  return { method: path.slice(1), httpMethod, contentType, encoding, timeoutMs, hasBadTimeout, contentLength };
}

interface Pseudo {
  method: string | undefined;
  path: string | undefined;
  scheme: string | undefined;
  authority: string | undefined;
}

/** False where it is unknown or there a second time. */
function setPseudo(pseudo: Pseudo, name: string, value: string): boolean {
  switch (name) {
    case ":method":
      if (pseudo.method !== undefined) return false;
      pseudo.method = value;
      return true;
    case ":path":
      if (pseudo.path !== undefined) return false;
      pseudo.path = value;
      return true;
    case ":scheme":
      if (pseudo.scheme !== undefined) return false;
      pseudo.scheme = value;
      return true;
    case ":authority":
      if (pseudo.authority !== undefined) return false;
      pseudo.authority = value;
      return true;
    default:
      return false;
  }
}
