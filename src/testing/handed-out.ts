/**
 * Whether anybody changes an object that the store has handed out (it is shared by every consumer): all of it must be
 * frozen. Bytes, which cannot be, and lists, which would be slow, must be the same at the end as when they were handed
 * out.
 */
export class HandedOut {
  readonly #seen = new WeakSet<object>();
  readonly #bytes = new Map<Uint8Array, number | bigint>();
  /** With what was in them. */
  readonly #lists = new Map<readonly unknown[], readonly unknown[]>();

  /** Throws where a part of it could be changed. */
  check(value: unknown, path = "object"): void {
    if (typeof value !== "object" || value === null || this.#seen.has(value)) return;
    this.#seen.add(value);
    if (value instanceof Uint8Array) {
      this.#bytes.set(value, Bun.hash(value));
      return;
    }
    if (Array.isArray(value)) this.#lists.set(value, [...value]);
    else if (!Object.isFrozen(value)) throw new Error(`${path} is handed out without being frozen`);
    for (const key of Object.keys(value)) this.check(Reflect.get(value, key), `${path}.${key}`);
  }

  /** Throws where bytes or lists have changed since they were handed out. Returns how many bytes there were. */
  verify(): number {
    for (const [bytes, hash] of this.#bytes) {
      if (Bun.hash(bytes) !== hash) throw new Error(`${bytes.length} bytes were changed after they were handed out`);
    }
    for (const [list, then] of this.#lists) {
      if (!Bun.deepEquals(list, then, true))
        throw new Error(`a list of ${then.length} was changed after it was handed out`);
    }
    return this.#bytes.size;
  }
}
