import { ApiError } from "../errors.ts";
import { type ResourceList, resourceKey, type WatchEvent } from "../resource/types.ts";
import type { Delta } from "./delta-queue.ts";
import type { Indexer } from "./indexer.ts";
import { DeletedFinalStateUnknown } from "./tombstone.ts";

/** How to read an object; every ResourceDefinition fits. */
export interface ObjectAccess<T> {
  /** For messages: "Gpu". */
  readonly kind: string;
  nameOf(object: T): string;
  /** A decimal int64 that rises with every change of any object of the kind. */
  resourceVersionOf(object: T): string;
}

/**
 * Writes what a server says into an indexer, and tells what that changed.
 *
 * Within one life of the server versions only rise. A list is the truth whatever its version: one that is older than
 * what is held comes from a server that was started anew with its clock set back, so its versions say nothing about
 * those that are held, and every object of it counts as changed. An event is believed only if it is newer than
 * everything before it; one that is not is a repetition of what is held, or it comes from another life.
 *
 * Does not promise: to notice a new life that has already used the very version that is held. Servers begin at the wall
 * clock's microseconds, so the clock would have to be set back to within as many microseconds as there were changes.
 */
export class ObjectCache<T> {
  readonly #access: ObjectAccess<T>;
  readonly #indexer: Indexer<T>;
  readonly #transform: (object: T) => T;
  /** The version up to which all is known; undefined before the first list. */
  #version: bigint | undefined;
  /** That of the latest list. */
  #listVersion: bigint | undefined;
  readonly #versions = new Map<string, bigint>();

  /** `transform` must not throw. */
  constructor(access: ObjectAccess<T>, indexer: Indexer<T>, transform: (object: T) => T) {
    this.#access = access;
    this.#indexer = indexer;
    this.#transform = transform;
  }

  /** Where a watch goes on; empty before the first list. */
  get resourceVersion(): string {
    return this.#version === undefined ? "" : String(this.#version);
  }

  /** All at once. Throws ApiError, and changes nothing, where a version or a name is none. */
  replace(list: ResourceList<T>): Delta<T>[] {
    const listVersion = this.#parse(list.resourceVersion, "a list");
    const incoming = new Map(list.items.map((object) => [this.#keyOf(object), object] as const));
    const versions = new Map([...incoming].map(([key, object]) => [key, this.#versionOf(object)] as const));

    const isInInitialList = this.#version === undefined;
    const anotherLife = this.#version !== undefined && listVersion < this.#version;
    const deltas: Delta<T>[] = [];
    for (const key of [...this.#versions.keys()]) {
      if (!incoming.has(key)) deltas.push(...this.#delete(key, (held) => new DeletedFinalStateUnknown(key, held)));
    }
    for (const [key, version] of versions) {
      const object = incoming.get(key);
      if (object === undefined || (this.#versions.get(key) === version && !anotherLife)) continue;
      deltas.push(this.#set(key, object, version, isInInitialList));
    }
    this.#version = listVersion;
    this.#listVersion = listVersion;
    return deltas;
  }

  /**
   * At most one delta. Throws ApiError, and changes nothing, where the event cannot be believed: OUT_OF_RANGE where it
   * goes back behind what is held, so that only a list can tell what is true. `opening` says that the list was the
   * latest but for objects which the watch has begun with, in any order: each of them is as new as its own version.
   */
  apply({ type, object }: WatchEvent<T>, opening = false): Delta<T>[] {
    const key = this.#keyOf(object);
    const version = this.#versionOf(object);
    const held = this.#versions.get(key);
    if (this.#version === undefined || version <= this.#version) {
      if (held === version && type !== "DELETED") return [];
      const known = held ?? this.#listVersion;
      if (opening && type === "ADDED" && known !== undefined && known < version) {
        return [this.#set(key, object, version, false)];
      }
      const back = `the watch went back from version ${this.resourceVersion} to version ${version} of ${key}`;
      throw new ApiError("OUT_OF_RANGE", back);
    }
    this.#version = version;
    // Only a list that was not made at one instant has objects that are newer than the list.
    if (held !== undefined && held >= version) return [];
    if (type === "DELETED") return this.#delete(key, () => this.#transform(object));
    return [this.#set(key, object, version, false)];
  }

  /** Whether there is an object of that name, in whatever state. */
  holds(object: T): boolean {
    return this.#versions.has(resourceKey(this.#access.nameOf(object)));
  }

  #set(key: string, incoming: T, version: bigint, isInInitialList: boolean): Delta<T> {
    const old = this.#indexer.get(key);
    const object = this.#transform(incoming);
    this.#versions.set(key, version);
    this.#indexer.set(key, object);
    return old === undefined ? { type: "Added", key, object, isInInitialList } : { type: "Updated", key, old, object };
  }

  #delete(key: string, lastState: (held: T) => T | DeletedFinalStateUnknown<T>): Delta<T>[] {
    const held = this.#indexer.get(key);
    if (held === undefined) return [];
    this.#versions.delete(key);
    this.#indexer.delete(key);
    return [{ type: "Deleted", key, object: lastState(held) }];
  }

  #keyOf(object: T): string {
    const name = this.#access.nameOf(object);
    if (name === "") throw new ApiError("INTERNAL", `the server sent a ${this.#access.kind} without a name`);
    return resourceKey(name);
  }

  #versionOf(object: T): bigint {
    return this.#parse(this.#access.resourceVersionOf(object), this.#access.nameOf(object));
  }

  #parse(version: string, of: string): bigint {
    if (/^\d+$/.test(version)) return BigInt(version);
    throw new ApiError("INTERNAL", `the server sent ${JSON.stringify(version)} as the version of ${of}`);
  }
}
