import { isIP } from "node:net";
import { isLoopback } from "../transport/address.ts";
import { parseInteger, quoted, UsageError } from "./flags-kinds.ts";

/** Where the TCP listener binds. */
export interface TcpAddress {
  /** "" for all addresses. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Whether only this machine reaches it. */
  readonly loopback: boolean;
}

const HOST_PORT = /^(?:\[([^[\]]*)\]|([^:[\]]*)):(\d{1,5})$/;
const HOST_NAME = /^[A-Za-z0-9]([-.A-Za-z0-9]{0,251}[A-Za-z0-9])?$/;

/** `host:port`, `[v6]:port`, or `:port` for all addresses; undefined for "". Throws UsageError with the usual port. */
export function parseTcpAddress(text: string, source: string, usualPort: number): TcpAddress | undefined {
  if (text === "") return undefined;
  const [, v6, plain, digits] = HOST_PORT.exec(text) ?? [];
  const host = v6 ?? plain;
  const port = parseInteger(digits ?? "", 0, 65_535);
  const known = v6 === undefined ? host === "" || HOST_NAME.test(host ?? "") : isIP(v6) === 6;
  if (host === undefined || port === undefined || !known || looksLikeBadV4(host)) {
    const examples = `127.0.0.1:${usualPort} or [::1]:${usualPort}`;
    throw new UsageError(`${source}: ${quoted(text)} is not HOST:PORT, such as ${examples}`);
  }
  return Object.freeze({ host, port, loopback: isLoopback(host) });
}

/** Four numbers with dots, one of them too large, would otherwise pass for a host name. */
function looksLikeBadV4(host: string): boolean {
  return /^[\d.]+$/.test(host) && isIP(host) !== 4;
}

export interface NamedPort {
  readonly flag: string;
  /** "" for all addresses. */
  readonly host: string;
  readonly port: number;
}

/** Throws UsageError where two would listen in one place: to the second one the first would be another process. */
export function checkDistinct(listeners: readonly NamedPort[]): void {
  for (const [i, { flag, host, port }] of listeners.entries()) {
    const other = listeners.slice(0, i).find((earlier) => earlier.port === port && overlap(earlier.host, host));
    if (port === 0 || other === undefined) continue;
    throw new UsageError(`${flag}: port ${port} is that of ${other.flag} already; give each a port of its own`);
  }
}

const ALL_ADDRESSES: ReadonlySet<string> = new Set(["", "0.0.0.0", "::"]);

function overlap(a: string, b: string): boolean {
  if (ALL_ADDRESSES.has(a) || ALL_ADDRESSES.has(b)) return true;
  const named = (host: string) => (host.toLowerCase() === "localhost" ? "127.0.0.1" : host.toLowerCase());
  return named(a) === named(b);
}
