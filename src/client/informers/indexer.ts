import { ApiError } from "../errors.ts";
import { resourceKey } from "../resource/types.ts";

/**
 * The values under which an object is found; an empty array keeps it out. A pure function of the object: it runs once
 * for each state.
 */
export type IndexFunction<T> = (object: T) => readonly string[];

/** Index functions by the name of their index. */
export type Indexers<T> = Readonly<Record<string, IndexFunction<T>>>;

/**
 * Reads the cache of an informer; no call goes out. All answers between two awaits come from one state, and a relist
 * shows as a whole or not at all. The objects are shared with everybody else who reads: never change them. The arrays
 * are the caller's own.
 */
export interface Lister<T> {
  readonly size: number;
  /** All objects, in no order that is promised. */
  list(): T[];
  /** Undefined where there is no such object. Names compare without regard to case. */
  get(name: string): T | undefined;
  /** The objects that have that value. Throws INVALID_ARGUMENT where there is no such index. */
  byIndex(index: string, value: string): T[];
  /** The values that some object has. Throws INVALID_ARGUMENT where there is no such index. */
  indexValues(index: string): string[];
}

/** An index function threw: the object is in the cache, and in that index under no value. */
export type OnIndexError = (error: unknown, key: string) => void;

/** Objects by key, and by the values of any number of indexes. Keys are names in lower case. */
export class Indexer<T> implements Lister<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, Index<T>>();
  readonly #onIndexError: OnIndexError;

  constructor(onIndexError: OnIndexError) {
    this.#onIndexError = onIndexError;
  }

  get size(): number {
    return this.#objects.size;
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  entries(): Iterable<[key: string, object: T]> {
    return this.#objects.entries();
  }

  get(name: string): T | undefined {
    return this.#objects.get(resourceKey(name));
  }

  byIndex(index: string, value: string): T[] {
    return this.#indexNamed(index).objectsAt(value);
  }

  indexValues(index: string): string[] {
    return this.#indexNamed(index).values();
  }

  /** Also where objects are there already. Throws INVALID_ARGUMENT, and adds none, where a name is taken. */
  addIndexers(indexers: Indexers<T>): void {
    const taken = Object.keys(indexers).find((name) => this.#indexes.has(name));
    if (taken !== undefined)
      throw new ApiError("INVALID_ARGUMENT", `there is an index ${JSON.stringify(taken)} already`);
    for (const [name, valuesOf] of Object.entries(indexers)) {
      const index = new Index(valuesOf, this.#onIndexError);
      for (const [key, object] of this.#objects) index.set(key, object);
      this.#indexes.set(name, index);
    }
  }

  set(key: string, object: T): void {
    this.#objects.set(key, object);
    for (const index of this.#indexes.values()) index.set(key, object);
  }

  delete(key: string): void {
    this.#objects.delete(key);
    for (const index of this.#indexes.values()) index.delete(key);
  }

  #indexNamed(name: string): Index<T> {
    const index = this.#indexes.get(name);
    if (index !== undefined) return index;
    const known = [...this.#indexes.keys()].join(", ") || "none";
    throw new ApiError("INVALID_ARGUMENT", `there is no index ${JSON.stringify(name)}; known: ${known}`);
  }
}

class Index<T> {
  readonly #valuesOf: IndexFunction<T>;
  readonly #onError: OnIndexError;
  readonly #byValue = new Map<string, Map<string, T>>();
  /** As they were when the object came: asking the function again could give others. */
  readonly #valuesByKey = new Map<string, readonly string[]>();

  constructor(valuesOf: IndexFunction<T>, onError: OnIndexError) {
    this.#valuesOf = valuesOf;
    this.#onError = onError;
  }

  values(): string[] {
    return [...this.#byValue.keys()];
  }

  objectsAt(value: string): T[] {
    return [...(this.#byValue.get(value)?.values() ?? [])];
  }

  set(key: string, object: T): void {
    this.delete(key);
    let values: readonly string[];
    try {
      values = [...this.#valuesOf(object)];
    } catch (error) {
      this.#onError(error, key);
      return;
    }
    if (values.length === 0) return;
    this.#valuesByKey.set(key, values);
    for (const value of values) {
      const objects = this.#byValue.get(value) ?? new Map<string, T>();
      this.#byValue.set(value, objects.set(key, object));
    }
  }

  delete(key: string): void {
    for (const value of this.#valuesByKey.get(key) ?? []) {
      const objects = this.#byValue.get(value);
      objects?.delete(key);
      // Values that nobody has any more would add up where they are ids.
      if (objects?.size === 0) this.#byValue.delete(value);
    }
    this.#valuesByKey.delete(key);
  }
}
