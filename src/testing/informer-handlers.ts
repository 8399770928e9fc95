import type { ResourceEventHandler } from "../client/informers/event-handler.ts";
import { type Deleted, DeletedFinalStateUnknown, lastStateOf } from "../client/informers/tombstone.ts";
import { resourceKey } from "../client/resource/types.ts";
import type { SimObject } from "./informer-server.ts";
import type { Prng } from "./prng.ts";
import type { SimulatedTime } from "./simulated-time.ts";

export interface HandlerHabits {
  readonly name: string;
  /** How long a call takes at most; undefined for one that returns at once. */
  readonly slowMs?: number;
  /** So many calls in a hundred throw, or reject. */
  readonly failing?: number;
  /** 0 for none. */
  readonly resyncMs?: number;
}

/** A handler that checks all it is told against what handlers are promised. */
export class CheckedHandler implements ResourceEventHandler<SimObject> {
  readonly habits: HandlerHabits;
  /** What it was told last of each object that is there. */
  readonly known = new Map<string, SimObject>();
  /** It was removed, or its informer stopped: nothing may come. */
  ended = false;
  readonly problems: string[] = [];
  readonly #prng: Prng;
  readonly #time: SimulatedTime;
  readonly #count: (what: string) => void;
  /** The newest state that it was told of each object, deletions included. */
  readonly #newest = new Map<string, number>();
  #busy = false;

  constructor(habits: HandlerHabits, prng: Prng, time: SimulatedTime, count: (what: string) => void) {
    this.habits = habits;
    this.#prng = prng;
    this.#time = time;
    this.#count = count;
  }

  onAdd(object: SimObject): unknown {
    const key = resourceKey(object.name);
    this.#expect(!this.known.has(key), `${key} was added twice`);
    this.#advance(key, object);
    this.known.set(key, object);
    return this.#behave("adds");
  }

  onUpdate(old: SimObject, object: SimObject): unknown {
    const key = resourceKey(object.name);
    this.#expect(this.known.get(key) === old, `the old state of ${key} is not the one that was told`);
    if (object === old) {
      this.#expect((this.habits.resyncMs ?? 0) > 0, `${key} was told twice without a resync`);
      return this.#behave("resyncs");
    }
    this.#advance(key, object);
    this.known.set(key, object);
    return this.#behave("updates");
  }

  onDelete(deleted: Deleted<SimObject>): unknown {
    const object = lastStateOf(deleted);
    const key = resourceKey(object.name);
    this.#expect(this.known.has(key), `${key} was deleted and had not been there`);
    this.known.delete(key);
    if (deleted instanceof DeletedFinalStateUnknown) {
      this.#expect(deleted.key === key, `the tombstone of ${key} has the key ${deleted.key}`);
      // What was held last may be newer than what this handler was told, never older.
      this.#expect(object.index >= (this.#newest.get(key) ?? -1), `the tombstone of ${key} goes back`);
      this.#newest.set(key, object.index);
      return this.#behave("tombstones");
    }
    this.#expect(object.deleted, `${key} was deleted with a state that is not of a deletion`);
    this.#advance(key, object);
    return this.#behave("deletes");
  }

  #advance(key: string, object: SimObject): void {
    const newest = this.#newest.get(key) ?? -1;
    this.#expect(object.index > newest, `${key} went from state ${newest} to ${object.index}`);
    this.#newest.set(key, object.index);
  }

  #expect(holds: boolean, problem: string): void {
    if (!holds) this.problems.push(`${this.habits.name}: ${problem}`);
  }

  #behave(what: string): unknown {
    this.#count(what);
    this.#expect(!this.#busy, "called while a call was under way");
    this.#expect(!this.ended, `${what} after the end`);
    const fails = this.#prng.chance(this.habits.failing ?? 0);
    if (fails) this.#count("failing calls");
    if (this.habits.slowMs === undefined) {
      if (fails) throw new Error("a handler throws");
      return undefined;
    }
    this.#busy = true;
    return new Promise<void>((resolve, reject) => {
      const finish = () => {
        this.#busy = false;
        if (fails) reject(new Error("a handler rejects"));
        else resolve();
      };
      this.#time.setTimer(finish, this.#prng.below(this.habits.slowMs ?? 0));
    });
  }
}
