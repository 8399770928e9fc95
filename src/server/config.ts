import type { LogFormat } from "../base/log-writer.ts";
import type { ConditionRules } from "../store/condition-rules.ts";
import { checkDistinct, parseTcpAddress, type TcpAddress } from "./config-address.ts";
import { createNvmlConfig, type NvmlConfig } from "./config-nvml.ts";
import {
  type HostFacts,
  parseGroup,
  parseIds,
  parseProviderBindings,
  parseUids,
  parseUnixSockets,
} from "./config-values.ts";
import type { ServeFlags } from "./flags.ts";
import { UsageError } from "./flags-kinds.ts";

/** What the server is told to do: checked, complete, and the same for its whole life. */
export interface Config {
  readonly version: string;
  readonly nodeName: string;
  /** The uid this process runs as. */
  readonly serverUid: number;
  readonly grpc: {
    /** Undefined: no TCP. */
    readonly tcp: TcpAddress | undefined;
    /** Absolute paths, each once. */
    readonly unixSockets: readonly string[];
    /** Undefined: the server's own group. */
    readonly socketGid: number | undefined;
    readonly maxConnections: number;
    readonly maxConnectionsPerUid: number;
    readonly maxMessageBytes: number;
  };
  readonly http: {
    /** "" for all addresses. */
    readonly host: string;
    readonly healthPort: number;
    readonly metricsPort: number;
  };
  /** The page and the JSON API; undefined: none. */
  readonly ui: TcpAddress | undefined;
  readonly authority: {
    readonly providerUids: ReadonlySet<number>;
    readonly providerGids: ReadonlySet<number>;
    readonly tcpAllowProviders: boolean;
    /** --provider: provider id to uid. */
    readonly boundProviders: ReadonlyMap<string, number>;
  };
  readonly conditions: ConditionRules;
  readonly providerLeaseMs: number;
  /** 0: no simulation. */
  readonly simulatedGpus: number;
  readonly shutdown: { readonly delayMs: number; readonly timeoutMs: number };
  readonly log: { readonly format: LogFormat; readonly verbosity: number };
  readonly nvml: NvmlConfig;
}

/** Checks what the flags say one by one and together. Throws UsageError naming the flag. */
export function createConfig(flags: ServeFlags, host: HostFacts, version: string): Config {
  const tcp = parseTcpAddress(flags["grpc-address"], "--grpc-address", 50_051);
  const unixSockets = parseUnixSockets(flags["unix-socket"]);
  const ui = parseTcpAddress(flags["ui-address"], "--ui-address", 8_082);
  checkListeners(flags, tcp, unixSockets);
  checkReach(flags, ui, "ui-address");
  checkPorts(flags, tcp, ui);
  return Object.freeze<Config>({
    version,
    nodeName: flags["node-name"] === "" ? host.hostname : flags["node-name"],
    serverUid: host.uid,
    grpc: Object.freeze({
      tcp,
      unixSockets: Object.freeze(unixSockets),
      socketGid: parseGroup(flags["socket-group"], host),
      maxConnections: flags["max-connections"],
      maxConnectionsPerUid: flags["max-connections-per-uid"],
      maxMessageBytes: flags["max-message-bytes"],
    }),
    http: Object.freeze({
      host: flags["http-host"],
      healthPort: flags["health-port"],
      metricsPort: flags["metrics-port"],
    }),
    ui,
    authority: Object.freeze({
      providerUids: parseUids(flags["provider-uids"], host.uid),
      providerGids: parseIds(flags["provider-gids"], "--provider-gids", "a gid"),
      tcpAllowProviders: flags["tcp-allow-providers"],
      boundProviders: parseProviderBindings(flags.provider),
    }),
    conditions: Object.freeze({ inverted: flags["inverted-conditions"], advisory: flags["advisory-conditions"] }),
    providerLeaseMs: flags["provider-lease"],
    simulatedGpus: flags.simulate,
    shutdown: Object.freeze({ delayMs: flags["shutdown-delay"], timeoutMs: flags["shutdown-timeout"] }),
    log: Object.freeze({ format: flags["log-format"], verbosity: flags.v }),
    nvml: createNvmlConfig(flags),
  });
}

function checkListeners(flags: ServeFlags, tcp: TcpAddress | undefined, unixSockets: readonly string[]): void {
  if (tcp === undefined && unixSockets.length === 0) {
    throw new UsageError("there is nothing to listen on: give --unix-socket or --grpc-address");
  }
  if (tcp?.loopback === false && flags["tcp-allow-providers"]) {
    const address = `--grpc-address: ${flags["grpc-address"]} is not a loopback address`;
    throw new UsageError(`${address}, and --tcp-allow-providers is for loopback alone: anyone could write`);
  }
  checkReach(flags, tcp, "grpc-address");
}

/** An address that others reach, for whoever reaches it may read, has to be meant. */
function checkReach(flags: ServeFlags, address: TcpAddress | undefined, flag: "grpc-address" | "ui-address"): void {
  if (address === undefined || address.loopback || flags["insecure-bind"]) return;
  const problem = `${flags[flag]} is not a loopback address: anyone who reaches it could read`;
  throw new UsageError(`--${flag}: ${problem}; say --insecure-bind if that is meant`);
}

function checkPorts(flags: ServeFlags, tcp: TcpAddress | undefined, ui: TcpAddress | undefined): void {
  const host = flags["http-host"];
  checkDistinct([
    { flag: "--health-port", host, port: flags["health-port"] },
    { flag: "--metrics-port", host, port: flags["metrics-port"] },
    ...(tcp === undefined ? [] : [{ flag: "--grpc-address", ...tcp }]),
    ...(ui === undefined ? [] : [{ flag: "--ui-address", ...ui }]),
  ]);
}
