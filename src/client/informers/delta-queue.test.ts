import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Delta, DeltaQueue } from "./delta-queue.ts";
import { DeletedFinalStateUnknown, lastStateOf } from "./tombstone.ts";

type State = { readonly key: string; readonly at: number };

const added = (at: number, isInInitialList = false): Delta<number> => ({
  type: "Added",
  key: "a",
  object: at,
  isInInitialList,
});
const updated = (old: number, at: number): Delta<number> => ({ type: "Updated", key: "a", old, object: at });
const deleted = (at: number): Delta<number> => ({ type: "Deleted", key: "a", object: at });
const sync = (at: number): Delta<number> => ({ type: "Sync", key: "a", object: at });

function drain<T>(queue: DeltaQueue<T>): Delta<T>[] {
  const popped: Delta<T>[] = [];
  for (let delta = queue.pop(); delta !== undefined; delta = queue.pop()) popped.push(delta);
  return popped;
}

describe("what waits for one object becomes", () => {
  test.each<[string, readonly Delta<number>[], readonly Delta<number>[]]>([
    ["the newest state under the first way in", [added(1), updated(1, 2), updated(2, 3)], [added(3)]],
    ["one step from what was told to what is", [updated(1, 2), updated(2, 3)], [updated(1, 3)]],
    ["its deletion", [updated(1, 2), deleted(3)], [deleted(3)]],
    ["nothing, where nobody was told that it was there", [added(1), updated(1, 2), deleted(3)], []],
    ["its deletion and its return", [deleted(2), added(3), updated(3, 4)], [deleted(2), added(4)]],
    ["its first deletion, where the return is over too", [deleted(2), added(3), deleted(4)], [deleted(2)]],
    ["the same for a second return", [deleted(2), added(3), deleted(4), added(5)], [deleted(2), added(5)]],
    ["the change, which says more than a resync", [sync(1), updated(1, 2)], [updated(1, 2)]],
    ["the deletion after a resync", [sync(1), deleted(2)], [deleted(2)]],
    ["one resync for many", [sync(1), sync(1)], [sync(1)]],
    ["the change, to which a resync adds nothing", [updated(1, 2), sync(2)], [updated(1, 2)]],
    ["an addition of the initial list still", [added(1, true), updated(1, 2), sync(2)], [added(2, true)]],
  ])("%s", (_, pushed, popped) => {
    const queue = new DeltaQueue<number>();
    for (const delta of pushed) queue.push(delta);
    expect(queue.size).toBe(popped.length === 0 ? 0 : 1);
    expect(drain(queue)).toEqual([...popped]);
    expect([queue.size, queue.initialPending]).toEqual([0, 0]);
  });
});

test("an object keeps its place in the queue when it changes again", () => {
  const queue = new DeltaQueue<number>();
  queue.push({ type: "Sync", key: "a", object: 1 });
  queue.push({ type: "Sync", key: "b", object: 1 });
  queue.push(updated(1, 2));
  expect(drain(queue).map(({ key }) => key)).toEqual(["a", "b"]);
});

test("what is deleted while its return waits has one deletion and no return", () => {
  const queue = new DeltaQueue<number>();
  for (const delta of [deleted(2), added(3)]) queue.push(delta);
  expect(queue.pop()).toEqual(deleted(2));
  queue.push(deleted(4));
  expect(drain(queue)).toEqual([]);
});

test("a change that cannot follow what waits is a fault of the program", () => {
  const queue = new DeltaQueue<number>();
  queue.push(added(1));
  expect(() => queue.push(added(2))).toThrow("a was added while it was there");
  queue.push(deleted(2));
  queue.push(deleted(3));
  expect(() => queue.push(updated(3, 4))).toThrow("a was updated while it was not there");
  expect(() => queue.push(deleted(4))).toThrow("a was deleted while it was not there");
});

test("objects of the initial list are counted until they are popped, or come to nothing", () => {
  const queue = new DeltaQueue<number>();
  for (const key of ["a", "b", "c"]) queue.push({ type: "Added", key, object: 1, isInInitialList: true });
  queue.push(deleted(2));
  queue.pop();
  expect(queue.initialPending).toBe(1);
  queue.clear();
  expect([queue.size, queue.initialPending]).toEqual([0, 0]);
});

/** The cache and a handler, as plain as can be: the queue between them may leave out states, and nothing else. */
class Model {
  readonly queue = new DeltaQueue<State>();
  readonly cache = new Map<string, State>();
  readonly told = new Map<string, State>();
  readonly #newest = new Map<string, number>();
  #clock = 0;

  put(key: string): void {
    const old = this.cache.get(key);
    const object = { key, at: this.#clock++ };
    this.cache.set(key, object);
    if (old !== undefined) this.queue.push({ type: "Updated", key, old, object });
    else this.queue.push({ type: "Added", key, object, isInInitialList: false });
  }

  remove(key: string, seen: boolean): void {
    const held = this.cache.get(key);
    if (held === undefined) return;
    this.cache.delete(key);
    const object = seen ? { key, at: this.#clock++ } : new DeletedFinalStateUnknown(key, held);
    this.queue.push({ type: "Deleted", key, object });
  }

  resync(): void {
    for (const [key, object] of this.cache) this.queue.push({ type: "Sync", key, object });
  }

  pop(): boolean {
    const delta = this.queue.pop();
    if (delta === undefined) return false;
    const { key } = delta;
    const before = this.told.get(key);
    if (delta.type === "Sync") {
      expect(delta.object).toBe(before as State);
      return true;
    }
    const { at } = lastStateOf(delta.object);
    const newest = this.#newest.get(key) ?? -1;
    if (delta.object instanceof DeletedFinalStateUnknown) expect(at).toBeGreaterThanOrEqual(newest);
    else expect(at).toBeGreaterThan(newest);
    this.#newest.set(key, at);
    if (delta.type === "Added") expect(before).toBeUndefined();
    if (delta.type === "Updated") expect(delta.old).toBe(before as State);
    if (delta.type === "Deleted") {
      expect(before).toBeDefined();
      this.told.delete(key);
    } else this.told.set(key, delta.object);
    return true;
  }
}

test("a handler of any speed is told a subsequence that ends with the present state, within the bound", () => {
  const key = fc.constantFrom("a", "b", "c");
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ put: key }) },
    { weight: 3, arbitrary: fc.record({ remove: key, seen: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant("resync" as const) },
    { weight: 4, arbitrary: fc.constant("pop" as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const model = new Model();
      for (const step of steps) {
        if (step === "resync") model.resync();
        else if (step === "pop") model.pop();
        else if ("put" in step) model.put(step.put);
        else model.remove(step.remove, step.seen);
        expect(model.queue.size).toBeLessThanOrEqual(model.cache.size + model.told.size);
      }
      while (model.pop());
      expect(model.told).toEqual(model.cache);
    }),
    { numRuns: 3_000 },
  );
});
