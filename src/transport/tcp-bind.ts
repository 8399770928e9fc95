import type { Server } from "node:net";
import { formatAddress, isLoopback } from "./address.ts";
import { ListenError } from "./listen-error.ts";
import { codeOf, startListening } from "./listener.ts";

export interface TcpBinding {
  /** "" for all addresses. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** The caller relies on it that only this machine reaches the address: the start fails where that is not so. */
  readonly loopback: boolean;
  /** The flag that gave the address, for messages. */
  readonly flag: string;
  /** What the flag's empty value means. */
  readonly off: string;
}

/** Resolves to host:port, with the port that was bound. Throws ListenError: one line, the flag and what to do. */
export async function bindTcp(server: Server, binding: TcpBinding): Promise<string> {
  const bound = await bind(server, binding);
  if (binding.loopback && !isLoopback(bound.address)) {
    server.close();
    throw new ListenError(
      `${binding.flag}: ${binding.host} stands for ${bound.address} here, which others reach too; use 127.0.0.1`,
    );
  }
  return formatAddress(binding.host === "" ? bound.address : binding.host, bound.port);
}

interface Bound {
  readonly address: string;
  readonly port: number;
}

const NO_IPV6: ReadonlySet<string> = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"]);

/** All addresses first as IPv6 that takes IPv4 too; a kernel without IPv6 gets plain IPv4. */
async function bind(server: Server, binding: TcpBinding): Promise<Bound> {
  const { host, port } = binding;
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
  throw new ListenError(describeFailure(binding, failure));
}

function describeFailure({ host, port, flag, off }: TcpBinding, error: unknown): string {
  const where = `${flag}: cannot listen on ${formatAddress(host, port)}`;
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return `${where}: another process uses it; stop that one, or choose another ${flag} ("" for ${off})`;
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
