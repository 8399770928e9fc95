import { type ServerResponse, STATUS_CODES } from "node:http";
import type { StatusError } from "../base/status-error.ts";
import { httpStatusOf } from "../service/json-api/http-status.ts";
import type { Refusal } from "./ui-guard.ts";

/** Of every answer. Nothing here may be kept, framed, embedded by another site, or taken for another type. */
const HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** Sends the head of an answer; `more` adds to the headers of every answer, or replaces them. */
export function writeHead(
  response: ServerResponse,
  status: number,
  type: string,
  more: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...HEADERS, "content-type": type, ...more });
}

export function answerRefusal(response: ServerResponse, refusal: Refusal): void {
  const { status } = refusal;
  const more = status === 405 ? { allow: "GET, HEAD" } : status === 503 ? { "retry-after": "5" } : {};
  writeHead(response, status, "application/json", more);
  response.end(bodyOf(refusal));
}

/** The whole answer to what never became a request, for which the runtime makes none. */
export function refusalText(refusal: Refusal): string {
  const body = bodyOf(refusal);
  const length = String(Buffer.byteLength(body));
  const fields = { connection: "close", "content-type": "application/json", "content-length": length, ...HEADERS };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const { status } = refusal;
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${body}`;
}

function bodyOf({ code, message }: Refusal): string {
  return `${JSON.stringify({ code, message: message.toWellFormed() })}\n`;
}

export function refusalFrom({ code, message }: StatusError): Refusal {
  return { status: httpStatusOf(code), code, message };
}

/** Sends the pieces as fast as they are taken, and makes the next ones only then. Resolves when all are handed over. */
export function sendPieces(response: ServerResponse, pieces: Iterable<string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const iterator = pieces[Symbol.iterator]();
    const step = () => {
      try {
        for (let next = iterator.next(); !next.done; next = iterator.next()) {
          if (!response.write(next.value)) return;
        }
      } catch (error) {
        reject(error);
        return;
      }
      response.end("\n");
      resolve();
    };
    response.on("drain", step);
    response.on("close", resolve);
    step();
  });
}
