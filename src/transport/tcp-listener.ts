import { createServer } from "node:net";
import type { Logger } from "../base/log.ts";
import type { ConnectionGate } from "./connection-gate.ts";
import type { Listener } from "./listener.ts";
import { bindTcp } from "./tcp-bind.ts";

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
  const { host, port, loopback } = options;
  const address = await bindTcp(server, { host, port, loopback, flag: "--grpc-address", off: "no TCP" });
  const label = `tcp:${address}`;
  gate.attach(server, label, { kind: "tcp", loopback });
  server.on("error", (error) => log.error("a listener failed", { listener: label, error: String(error) }));
  return {
    label,
    address,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
