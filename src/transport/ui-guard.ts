import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { CodeName } from "../base/status-error.ts";
import { isLoopback } from "./address.ts";

/** A request that is not answered, and why. */
export interface Refusal {
  readonly status: number;
  readonly code: CodeName;
  readonly message: string;
}

/** Under which names the page may be asked for. */
export interface HostRule {
  allows(hostname: string): boolean;
  /** For messages. */
  readonly allowed: string;
}

/** A name of 253 characters takes up to 759 encoded ones, and no path or query needs twice as many beside it. */
export const URL_LENGTH_MAX = 2_048;

const HOST_HEADER = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]/@\s]+)(?::\d{1,5})?$/;

/**
 * The names of this machine itself, and the one that was configured. Any other name may be an attacker's own, which the
 * victim's resolver was made to point here (DNS rebinding): to the browser this page would be that site's. An IP
 * address cannot be pointed elsewhere, so all are allowed where the page is served beyond loopback.
 */
export function createHostRule(host: string, loopback: boolean): HostRule {
  const configured = host.toLowerCase();
  const allows = (hostname: string): boolean => {
    const bare = hostname.toLowerCase().replace(/^\[(.*)\]$/, "$1");
    return isLoopback(bare) || (configured !== "" && bare === configured) || (!loopback && isIP(bare) !== 0);
  };
  const names = ["localhost", "127.0.0.1", "[::1]", ...(loopback ? [] : ["the node's IP address"])];
  if (configured !== "" && !names.includes(configured) && isIP(configured) === 0) names.push(configured);
  return { allows, allowed: names.join(", ") };
}

/** The first reason not to answer; undefined where there is none. */
export function refusalOf(request: IncomingMessage, hosts: HostRule): Refusal | undefined {
  return refusalOfHost(request, hosts) ?? refusalOfRequest(request) ?? refusalOfOrigin(request);
}

function refusalOfHost({ rawHeaders }: IncomingMessage, hosts: HostRule): Refusal | undefined {
  const given = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === "host");
  const hostname = given.length === 1 ? HOST_HEADER.exec(given[0] ?? "")?.[1] : undefined;
  if (hostname === undefined) return refuse(400, "INVALID_ARGUMENT", "one Host header is needed, a name or an address");
  if (hosts.allows(hostname)) return undefined;
  const message = `this page is not served as ${JSON.stringify(hostname)}; open it as one of ${hosts.allowed}`;
  return refuse(421, "PERMISSION_DENIED", message);
}

function refusalOfRequest({ method, url = "", headers }: IncomingMessage): Refusal | undefined {
  if (method !== "GET" && method !== "HEAD")
    return refuse(405, "UNIMPLEMENTED", "GET and HEAD only: this is for reading");
  if (url.length > URL_LENGTH_MAX) {
    return refuse(414, "INVALID_ARGUMENT", `the address has ${url.length} characters, the limit is ${URL_LENGTH_MAX}`);
  }
  if (!url.startsWith("/")) return refuse(400, "INVALID_ARGUMENT", "this is no proxy: the address must begin with /");
  const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;
  return hasBody ? refuse(413, "INVALID_ARGUMENT", "a request for reading has no body") : undefined;
}

/**
 * Whether the browser asks for a page of another site. It would not let that site see the answer, but each stream that
 * it opened would be one less for people. Following a link to the page is no such case.
 */
function refusalOfOrigin({ headers }: IncomingMessage): Refusal | undefined {
  const site = headers["sec-fetch-site"];
  if (site === undefined || site === "same-origin" || site === "none") return undefined;
  if (headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document") return undefined;
  return refuse(403, "PERMISSION_DENIED", "pages of other sites may not ask here; open the address itself");
}

function refuse(status: number, code: CodeName, message: string): Refusal {
  return { status, code, message };
}
