import type { Logger } from "../base/log.ts";
import { describePeer, identityOf, type Peer } from "../service/peer.ts";
import type { Http2Connection } from "./http2-connection.ts";

/** An accepted connection, and who is at its other end. */
export class GrpcConnection {
  readonly number: number;
  readonly peer: Peer;
  /** Whom its calls are counted for. */
  readonly caller: string;
  readonly #http2: Http2Connection;
  readonly #log: Logger;
  #isDoomed = false;

  constructor(http2: Http2Connection, peer: Peer, log: Logger) {
    this.number = peer.connection;
    this.peer = peer;
    this.caller = identityOf(peer);
    this.#http2 = http2;
    this.#log = log;
  }

  /** One line in the log, however many of its calls ask for it. */
  destroy(why: string, method: string): void {
    if (this.#isDoomed) return;
    this.#isDoomed = true;
    this.#log.warn(`${why}: connection destroyed`, { method, peer: describePeer(this.peer) });
    this.#http2.destroy();
  }
}
