/** Unary replies of one connection that have not left: 18 of the longest lists there can be. */
export const UNSENT_BYTES_PER_CONNECTION_MAX = 64 * 1024 * 1024;
/** Of all connections. Beyond it the one that holds most, which does not read, goes. */
export const UNSENT_BYTES_MAX = 128 * 1024 * 1024;

/** What the budget decides on a reply. */
export type ReplyVerdict =
  | { readonly kind: "send" }
  /** This connection has too much under way already. */
  | { readonly kind: "refuse" }
  /** Send it; that connection holds the most and has to go. */
  | { readonly kind: "evict"; readonly connection: number };

/**
 * Bounds what clients that ask and do not read make the server hold: each reply is copied behind its prefix, so a
 * thousand requests of a few bytes for a list of 3.5 MiB would be 3.5 GiB for each connection.
 */
export class ReplyBudget {
  readonly #byConnection = new Map<number, number>();
  readonly #byCall = new Map<object, { readonly connection: number; readonly bytes: number }>();
  #total = 0;

  /** Counts the reply unless it is refused, until the call is released. */
  take(call: object, connection: number, bytes: number): ReplyVerdict {
    const held = this.#byConnection.get(connection) ?? 0;
    if (held > 0 && held + bytes > UNSENT_BYTES_PER_CONNECTION_MAX) return { kind: "refuse" };
    this.#byCall.set(call, { connection, bytes: bytes + (this.#byCall.get(call)?.bytes ?? 0) });
    this.#byConnection.set(connection, held + bytes);
    this.#total += bytes;
    return this.#total > UNSENT_BYTES_MAX ? { kind: "evict", connection: this.#largest() } : { kind: "send" };
  }

  release(call: object): void {
    const taken = this.#byCall.get(call);
    if (taken === undefined) return;
    this.#byCall.delete(call);
    this.#total -= taken.bytes;
    const left = (this.#byConnection.get(taken.connection) ?? 0) - taken.bytes;
    if (left > 0) this.#byConnection.set(taken.connection, left);
    else this.#byConnection.delete(taken.connection);
  }

  #largest(): number {
    let largest = { connection: 0, bytes: -1 };
    for (const [connection, bytes] of this.#byConnection) if (bytes > largest.bytes) largest = { connection, bytes };
    return largest.connection;
  }
}
