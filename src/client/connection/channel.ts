import * as grpc from "@grpc/grpc-js";
import { checkMs } from "../limits.ts";
import type { Target } from "../target.ts";
import { CLIENT_VERSION } from "../version.ts";
import { loadCredentials, type TlsOptions, toldName } from "./credentials.ts";
import type { Channel } from "./redialer.ts";

/** A full list is at most 3.5 MiB; the server sends nothing over 4. */
const RECEIVE_BYTES_MAX = 4 * 1_024 * 1_024;

export interface Keepalive {
  /** How long a connection with calls on it may be silent before it is asked for a sign of life. */
  readonly timeMs: number;
  /** How long that sign may take; then the connection is dropped, and its calls fail with UNAVAILABLE. */
  readonly timeoutMs: number;
}

/** Servers in Go end connections that ping more often than every 5 minutes, by default. */
export const DEFAULT_KEEPALIVE: Keepalive = { timeMs: 5 * 60_000, timeoutMs: 20_000 };

/** Throws ApiError, INVALID_ARGUMENT. */
export function checkKeepalive(keepalive: Keepalive): Keepalive {
  const { timeMs, timeoutMs } = keepalive;
  checkMs("keepalive.timeMs", timeMs);
  checkMs("keepalive.timeoutMs", timeoutMs);
  return keepalive;
}

export interface ChannelSettings {
  readonly target: Target;
  readonly tls: TlsOptions | undefined;
  readonly keepalive: Keepalive;
  readonly userAgent: string;
}

export interface LibraryChannel extends Channel {
  readonly client: grpc.Client;
}

/** Dials at the first call. Rejects with ApiError where the TLS material cannot be used. */
export async function createChannel(settings: ChannelSettings): Promise<LibraryChannel> {
  const credentials = await loadCredentials(settings.target, settings.tls);
  const client = new grpc.Client(settings.target.address, credentials, channelOptions(settings));
  return {
    client,
    isReady: () => client.getChannel().getConnectivityState(false) === grpc.connectivityState.READY,
    close: () => client.close(),
  };
}

function channelOptions({ target, tls, keepalive, userAgent }: ChannelSettings): grpc.ClientOptions {
  return {
    "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
    "grpc.keepalive_time_ms": keepalive.timeMs,
    "grpc.keepalive_timeout_ms": keepalive.timeoutMs,
    // The library's own pool is one for the process: a new channel would get the old one's transport and its backoff.
    "grpc.use_local_subchannel_pool": 1,
    // A node's own server: no proxy stands between, whatever the environment says.
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    // It keeps a record of every channel ever made.
    "grpc.enable_channelz": 0,
    // An interceptor could not do it: the library sets this header last.
    "grpc.primary_user_agent": [userAgent, `device-api-client/${CLIENT_VERSION}`].filter(Boolean).join(" "),
    ...(tls !== undefined && { "grpc.ssl_target_name_override": toldName(target, tls) }),
  };
}
