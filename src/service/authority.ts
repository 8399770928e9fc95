import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import { StatusError } from "../base/status-error.ts";
import type { Access, Method } from "./call.ts";
import { describePeer, identityOf, type Peer, type UnixPeer } from "./peer.ts";

export interface AuthorityOptions {
  /** --provider-uids. */
  readonly providerUids: ReadonlySet<number>;
  /** --provider-gids. */
  readonly providerGids: ReadonlySet<number>;
  /** --tcp-allow-providers. */
  readonly tcpAllowProviders: boolean;
  /** The uid this server runs as. */
  readonly serverUid: number;
  /** What the kernel shows for uids outside this user namespace: in it, all of them look alike. */
  readonly overflowUid: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** A call was refused. */
  onDenied(method: string, rule: DenialRule): void;
}

/** Why a call may be refused. */
export type DenialRule = "overflow-uid" | "provider-uids" | "tcp-read-only" | "admin-unix-only" | "admin-uid";

interface Denial {
  readonly rule: DenialRule;
  readonly why: string;
}

/** A refusal is logged once in this time for each peer … */
const LOG_PERIOD_MS = 60_000;
/** … of those remembered; beyond it all are forgotten, and a line may come early. */
const PEERS_REMEMBERED_MAX = 1_024;

/**
 * Decides by the kernel's word on the peer, and by nothing in the message. Whoever may open the socket may read; that
 * is the socket's mode and group.
 */
export class Authority {
  readonly #options: AuthorityOptions;
  readonly #loggedAtMs = new Map<string, number>();

  constructor(options: AuthorityOptions) {
    this.#options = options;
  }

  /** Throws PERMISSION_DENIED naming the rule and the flag. */
  authorize(method: Pick<Method, "name" | "access">, peer: Peer): void {
    const denial = this.#judge(method.access, peer);
    if (denial === undefined) return;
    this.#options.onDenied(method.name, denial.rule);
    this.#log(method.name, peer, denial);
    throw new StatusError("PERMISSION_DENIED", denial.why);
  }

  #judge(access: Access, peer: Peer): Denial | undefined {
    switch (access) {
      case "read":
        return undefined;
      case "write":
        return peer.kind === "unix" ? this.#judgeUnixWriter(peer) : this.#judgeTcpWriter(peer.loopback);
      case "admin":
        return this.#judgeAdmin(peer);
    }
  }

  #judgeUnixWriter(peer: UnixPeer): Denial | undefined {
    const { providerUids, providerGids, overflowUid } = this.#options;
    if (peer.uid === overflowUid) return this.#overflow();
    if (providerUids.has(peer.uid) || providerGids.has(peer.gid)) return undefined;
    if (peer.groups.some((gid) => providerGids.has(gid))) return undefined;
    const list = (ids: ReadonlySet<number>) => (ids.size === 0 ? "none" : [...ids].join(", "));
    const why =
      `uid ${peer.uid} may not write: it is not in --provider-uids (${list(providerUids)}), ` +
      `and none of its groups is in --provider-gids (${list(providerGids)})`;
    return { rule: "provider-uids", why };
  }

  #judgeTcpWriter(loopback: boolean): Denial | undefined {
    if (this.#options.tcpAllowProviders && loopback) return undefined;
    const why =
      "TCP is for reading: write over the unix socket (--unix-socket), or start the server with --tcp-allow-providers";
    return { rule: "tcp-read-only", why };
  }

  #judgeAdmin(peer: Peer): Denial | undefined {
    if (peer.kind !== "unix") {
      return { rule: "admin-unix-only", why: "administration is answered on the unix socket only (--unix-socket)" };
    }
    if (peer.uid === 0) return undefined;
    if (peer.uid === this.#options.overflowUid) return this.#overflow();
    if (peer.uid === this.#options.serverUid) return undefined;
    const why = `uid ${peer.uid} may not administer: only uid 0 and the server's own (${this.#options.serverUid}) may`;
    return { rule: "admin-uid", why };
  }

  #overflow(): Denial {
    const { overflowUid } = this.#options;
    const why = `uid ${overflowUid} never writes: it stands for every uid of other user namespaces`;
    return { rule: "overflow-uid", why };
  }

  #log(method: string, peer: Peer, { rule, why }: Denial): void {
    const nowMs = this.#options.clock.monotonicMs();
    const key = peer.kind === "unix" ? `${identityOf(peer)}:${peer.pid}` : "tcp";
    const last = this.#loggedAtMs.get(key);
    if (last !== undefined && nowMs - last < LOG_PERIOD_MS) return;
    if (this.#loggedAtMs.size >= PEERS_REMEMBERED_MAX) this.#loggedAtMs.clear();
    this.#loggedAtMs.set(key, nowMs);
    this.#options.log.warn("call refused", { method, peer: describePeer(peer), rule, why });
  }
}
