/** The process at the other end of a connection, as the kernel tells it; never as a message claims. */
export type Peer = UnixPeer | TcpPeer;

export interface UnixPeer {
  readonly kind: "unix";
  /** Unique in this server's life. */
  readonly connection: number;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups (SO_PEERGROUPS). */
  readonly groups: readonly number[];
}

export interface TcpPeer {
  readonly kind: "tcp";
  readonly connection: number;
  /** Remote address and port, for logs. */
  readonly address: string;
  /** Whether the connection came in on a loopback listener. */
  readonly loopback: boolean;
}

/** Who a peer is for ownership of provider ids: `uid:N` or `tcp`. */
export function identityOf(peer: Peer): string {
  if (peer.kind === "tcp") return "tcp";
  const known = identities.get(peer);
  if (known !== undefined) return known;
  const identity = `uid:${peer.uid}`;
  identities.set(peer, identity);
  return identity;
}

/** Every write asks, and looks a good deal up by the answer: text that is made anew would be hashed anew each time. */
const identities = new WeakMap<UnixPeer, string>();

/** For logs: enough to find the process. */
export function describePeer(peer: Peer): string {
  return peer.kind === "unix" ? `uid ${peer.uid}, gid ${peer.gid}, pid ${peer.pid}` : `tcp ${peer.address}`;
}
