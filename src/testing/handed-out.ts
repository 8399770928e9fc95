/**
 * Whether anybody changes an object that the store has handed out (it is shared by every consumer): all of it must be
 * frozen, and bytes, which cannot be, must be the same at the end as when they were handed out.
 */
export class HandedOut {
  readonly #seen = new WeakSet<object>();
  readonly #bytes = new Map<Uint8Array, number | bigint>();

  /** Throws where a part of it could be changed. */
  check(value: unknown, path = "object"): void {
    if (typeof value !== "object" || value === null || this.#seen.has(value)) return;
    this.#seen.add(value);
    if (value instanceof Uint8Array) {
      this.#bytes.set(value, Bun.hash(value));
      return;
    }
    if (!Object.isFrozen(value)) throw new Error(`${path} is handed out without being frozen`);
    for (const key of Object.keys(value)) this.check(Reflect.get(value, key), `${path}.${key}`);
  }

  /** Throws where bytes have changed since they were handed out. Returns how many there were. */
  verify(): number {
    for (const [bytes, hash] of this.#bytes) {
      if (Bun.hash(bytes) !== hash) throw new Error(`${bytes.length} bytes were changed after they were handed out`);
    }
    return this.#bytes.size;
  }
}
