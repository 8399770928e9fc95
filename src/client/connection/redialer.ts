import type { ApiError } from "../errors.ts";

/** What one dial gives: a library client, used by any number of calls. */
export interface Channel {
  /** Whether the transport stands. */
  isReady(): boolean;
  close(): void;
}

/** A channel that is in use by one call; disposed when the call is over. */
export interface Lease<C> extends Disposable {
  readonly channel: C;
  /** Tells how the call failed, and gives that back: a channel without a transport is not handed out again. */
  failed(error: ApiError): ApiError;
}

interface Entry<C> {
  readonly channel: Promise<C>;
  leases: number;
  retired: boolean;
}

/**
 * Hands out one channel until it proves lost, and then a new one.
 *
 * The library would dial again by itself, but on its own timetable: after a failure it answers every call with the old
 * error until its backoff is over (growing to 2 minutes), and resolves a host's name anew after 30 s at the earliest. A
 * new channel dials at once, by the present socket file, address and certificates; how often is the retry policy's
 * matter alone.
 */
export class Redialer<C extends Channel> {
  readonly #dial: () => Promise<C>;
  #current: Entry<C> | undefined;
  readonly #entries = new Set<Entry<C>>();

  constructor(dial: () => Promise<C>) {
    this.#dial = dial;
  }

  /** Rejects with what the dial does. */
  async acquire(): Promise<Lease<C>> {
    const entry = this.#current ?? this.#start();
    entry.leases++;
    try {
      const channel = await entry.channel;
      return {
        channel,
        failed: (error) => {
          // A host that answers nothing is noticed by the deadline alone.
          const lost = error.code === "UNAVAILABLE" || error.code === "DEADLINE_EXCEEDED";
          if (lost && !channel.isReady()) this.#retire(entry);
          return error;
        },
        [Symbol.dispose]: () => this.#release(entry),
      };
    } catch (error) {
      this.#retire(entry);
      this.#release(entry);
      throw error;
    }
  }

  /** Calls in flight are the caller's to end. */
  close(): void {
    for (const entry of this.#entries) this.#shut(entry);
  }

  #start(): Entry<C> {
    const entry: Entry<C> = { channel: this.#dial(), leases: 0, retired: false };
    this.#current = entry;
    this.#entries.add(entry);
    return entry;
  }

  #retire(entry: Entry<C>): void {
    entry.retired = true;
    if (this.#current === entry) this.#current = undefined;
  }

  /** A retired channel may still serve calls that were begun before. */
  #release(entry: Entry<C>): void {
    entry.leases--;
    if (entry.retired && entry.leases === 0) this.#shut(entry);
  }

  #shut(entry: Entry<C>): void {
    this.#entries.delete(entry);
    // One that could not be made has nothing to close.
    entry.channel.then(
      (channel) => channel.close(),
      () => {},
    );
  }
}
