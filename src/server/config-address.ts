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

/** `host:port`, `[v6]:port`, or `:port` for all addresses; undefined for "". Throws UsageError. */
export function parseTcpAddress(text: string, source: string): TcpAddress | undefined {
  if (text === "") return undefined;
  const [, v6, plain, digits] = HOST_PORT.exec(text) ?? [];
  const host = v6 ?? plain;
  const port = parseInteger(digits ?? "", 0, 65_535);
  const known = v6 === undefined ? host === "" || HOST_NAME.test(host ?? "") : isIP(v6) === 6;
  if (host === undefined || port === undefined || !known || looksLikeBadV4(host)) {
    throw new UsageError(`${source}: ${quoted(text)} is not HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051`);
  }
  return Object.freeze({ host, port, loopback: isLoopback(host) });
}

/** Four numbers with dots, one of them too large, would otherwise pass for a host name. */
function looksLikeBadV4(host: string): boolean {
  return /^[\d.]+$/.test(host) && isIP(host) !== 4;
}
