import { createServer, type Server } from "node:net";
import type { Logger } from "../base/log.ts";
import { formatAddress, isLoopback } from "./address.ts";
import type { ConnectionGate } from "./connection-gate.ts";
import { ListenError } from "./listen-error.ts";
import { codeOf, type Listener, startListening } from "./listener.ts";

export interface TcpListenerOptions {
  /** "" for all addresses. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** The caller relies on it that only this machine reaches the address: the start fails where that is not so. */
  readonly loopback: boolean;
  readonly gate: ConnectionGate;
  readonly log: Logger;
}

export interface TcpListener extends Listener {
  /** host:port, with the port that was bound. */
  readonly address: string;
}

/** Throws ListenError, in one line that names the flag and what to do. */
export async function listenTcp(options: TcpListenerOptions): Promise<TcpListener> {
  const { gate, log } = options;
  const server = createServer();
  const bound = await bind(server, options);
  const address = formatAddress(options.host === "" ? bound.address : options.host, bound.port);
  if (options.loopback && !isLoopback(bound.address)) {
    server.close();
    throw new ListenError(
      `--grpc-address: ${options.host} stands for ${bound.address} here, which others reach too; use 127.0.0.1`,
    );
  }
  const label = `tcp:${address}`;
  gate.attach(server, label, { kind: "tcp", loopback: options.loopback });
  server.on("error", (error) => log.error("a listener failed", { listener: label, error: String(error) }));
  return {
    label,
    address,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

interface Bound {
  readonly address: string;
  readonly port: number;
}

const NO_IPV6: ReadonlySet<string> = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"]);

/** All addresses first as IPv6 that takes IPv4 too; a kernel without IPv6 gets plain IPv4. */
async function bind(server: Server, { host, port }: TcpListenerOptions): Promise<Bound> {
  const hosts = host === "" ? ["::", "0.0.0.0"] : [host];
  let failure: unknown;
  for (const candidate of hosts) {
    try {
      await startListening(server, { host: candidate, port });
      const address = server.address();
      if (address !== null && typeof address === "object") return address;
      throw new Error("the listener has no address");
    } catch (error) {
      failure = error;
      if (!NO_IPV6.has(codeOf(error))) break;
    }
  }
  throw new ListenError(describeFailure(host, port, failure));
}

function describeFailure(host: string, port: number, error: unknown): string {
  const where = `--grpc-address: cannot listen on ${formatAddress(host, port)}`;
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return `${where}: another process uses it; stop that one, or choose another --grpc-address ("" for no TCP)`;
    case "EACCES":
      return `${where}: ports below 1024 need privileges; choose a higher one`;
    case "EADDRNOTAVAIL":
      return `${where}: it is no address of this machine`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `${where}: the name cannot be resolved; give an IP address`;
    default:
      return `${where}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
