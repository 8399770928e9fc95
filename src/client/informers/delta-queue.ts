import { assert } from "../../base/assert.ts";
import type { Deleted } from "./tombstone.ts";

/** One change of the cache. `old` is the state right before it. */
export type Delta<T> =
  | { readonly type: "Added"; readonly key: string; readonly object: T; readonly isInInitialList: boolean }
  | { readonly type: "Updated"; readonly key: string; readonly old: T; readonly object: T }
  | { readonly type: "Deleted"; readonly key: string; readonly object: Deleted<T> }
  /** Nothing changed; a resync shows what is there. */
  | { readonly type: "Sync"; readonly key: string; readonly object: T };

/**
 * What one handler has not been told yet: first come first served by object, and compressed for each. client-go keeps
 * every notification for a slow handler, without a bound; here a newer state takes the place of one that waits.
 *
 * Promises, for each object: what is popped is a subsequence of its states, in order; `old` of an Updated is what was
 * popped before; the newest state is popped in the end; once an object was popped, so is its deletion, also where it
 * came again in the meantime (then Deleted and Added). An object that came and went while it waited is left out.
 *
 * Bound: two deltas for each object that is in the cache or whose deletion waits. Only an object that was popped can be
 * one of the latter, so with n objects popped and m in the cache at most 2 * (n + m) deltas wait, whatever happens.
 */
export class DeltaQueue<T> {
  readonly #pending = new Map<string, readonly Delta<T>[]>();
  #initialPending = 0;

  /** Objects, not deltas. */
  get size(): number {
    return this.#pending.size;
  }

  /** How many objects of the initial list still wait. */
  get initialPending(): number {
    return this.#initialPending;
  }

  push(next: Delta<T>): void {
    const pending = this.#pending.get(next.key);
    const merged = pending === undefined ? [next] : compress(pending, next);
    this.#initialPending += countInitial(merged) - countInitial(pending ?? []);
    // A key that is there already keeps its place.
    if (merged.length > 0) this.#pending.set(next.key, merged);
    else this.#pending.delete(next.key);
  }

  pop(): Delta<T> | undefined {
    for (const [key, [first, ...rest]] of this.#pending) {
      if (rest.length > 0) this.#pending.set(key, rest);
      else this.#pending.delete(key);
      if (first === undefined) continue;
      this.#initialPending -= countInitial([first]);
      return first;
    }
    return undefined;
  }

  clear(): void {
    this.#pending.clear();
    this.#initialPending = 0;
  }
}

/** What to say instead of `pending` and then `next`. Lists of at most two: [Deleted, Added] is the only pair. */
function compress<T>(pending: readonly Delta<T>[], next: Delta<T>): readonly Delta<T>[] {
  const last = pending.at(-1);
  assert(last !== undefined, "a key waits with nothing to say");
  const before = pending.slice(0, -1);
  switch (next.type) {
    case "Sync":
      return pending;
    case "Added":
      assert(last.type === "Deleted", `${next.key} was added while it was there`);
      return [last, next];
    case "Updated":
      assert(last.type !== "Deleted", `${next.key} was updated while it was not there`);
      if (last.type === "Added") return [...before, { ...last, object: next.object }];
      return [{ ...next, old: last.type === "Updated" ? last.old : last.object }];
    case "Deleted":
      assert(last.type !== "Deleted", `${next.key} was deleted while it was not there`);
      // Whoever was not told that it came need not know that it went.
      return last.type === "Added" ? before : [next];
  }
}

function countInitial<T>(deltas: readonly Delta<T>[]): number {
  return deltas.some((delta) => delta.type === "Added" && delta.isInInitialList) ? 1 : 0;
}
