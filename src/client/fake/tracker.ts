import { clone, create, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { compareNatural } from "../../base/natural-order.ts";
import { ApiError } from "../errors.ts";
import {
  type EventType,
  type ResourceDefinition,
  type ResourceList,
  resourceKey,
  type WatchEvent,
} from "../resource/types.ts";
import { EventLog } from "./event-log.ts";
import { type WireShape, wireShapeOf } from "./wire-shape.ts";

export interface TrackerOptions {
  /** How many events a watch can be behind before it expires. Default: 10,000. */
  readonly historyEventsMax?: number;
}

/** Where a watch begins. */
export interface TrackedWatchOptions {
  /** Left out: the present objects first, as ADDED. Else what follows this version. */
  readonly after?: bigint;
  readonly signal?: AbortSignal;
}

/** The objects of one kind. What is handed out is a copy, and so is what is kept. */
export interface ObjectTracker<T extends Message> {
  get(name: string): T | undefined;
  /** In natural order of the names (gpu-2 before gpu-10). */
  list(): ResourceList<T>;
  /**
   * Adds the object, or replaces the one of its name, and returns it as it is now; the version in it is the tracker's.
   * The spelling of the name that came first stays. Where nothing changes there is no event and no new version.
   * Throws INVALID_ARGUMENT where the name is empty.
   */
  apply(object: MessageInitShape<GenMessage<T>>): T;
  /** Returns the last state, with the version of the deletion; undefined where there is no such object. */
  delete(name: string): T | undefined;
  /** Each change once, in order. Throws OUT_OF_RANGE where the history does not reach, or what endWatches was given. */
  watch(options?: TrackedWatchOptions): AsyncIterable<WatchEvent<T>>;
}

/**
 * Objects in memory, for tests: versions rise by one with every change of whatever kind, and watches read a history,
 * so that list-then-watch works as with the server. What is changed without an await between is seen together.
 */
export interface Tracker {
  /** The counter's present value. */
  readonly resourceVersion: string;
  /** Watches that wait for a change now. */
  readonly openWatches: number;
  of<T extends Message>(definition: ResourceDefinition<T>): ObjectTracker<T>;
  /**
   * Forgets the history, as a server does that was too busy for a slow watch: every open watch ends with OUT_OF_RANGE,
   * and so does a later one from a version before this moment.
   */
  expire(): void;
  /** Ends every open watch, for example with UNAVAILABLE as a server does that shuts down. */
  endWatches(error: ApiError): void;
}

/** A kilobyte an object makes this 10 MiB, and no test changes more between two reads of a watch. */
const HISTORY_EVENTS_MAX = 10_000;

/** Not 0: a watch from "0" would begin with the present objects instead of after the list. */
const FIRST_VERSION = 1;

export function createTracker({ historyEventsMax = HISTORY_EVENTS_MAX }: TrackerOptions = {}): Tracker {
  const log = new EventLog(FIRST_VERSION, historyEventsMax);
  /** By type name, which stands for the type. */
  const kinds = new Map<string, unknown>();
  return {
    get resourceVersion() {
      return String(log.last);
    },
    get openWatches() {
      return log.waiting;
    },
    of<T extends Message>(definition: ResourceDefinition<T>): ObjectTracker<T> {
      const known = kinds.get(definition.typeName) as ObjectTracker<T> | undefined;
      const objects = known ?? new TrackedObjects(definition, log);
      kinds.set(definition.typeName, objects);
      return objects;
    },
    expire() {
      log.forget();
      log.endWatches(new ApiError("OUT_OF_RANGE", "the watch has expired; list again"));
    },
    endWatches: (error) => log.endWatches(error),
  };
}

class TrackedObjects<T extends Message> implements ObjectTracker<T> {
  readonly #definition: ResourceDefinition<T>;
  readonly #shape: WireShape<T>;
  readonly #log: EventLog;
  /** By key. */
  readonly #objects = new Map<string, T>();

  constructor(definition: ResourceDefinition<T>, log: EventLog) {
    this.#definition = definition;
    this.#shape = wireShapeOf(definition);
    this.#log = log;
  }

  get(name: string): T | undefined {
    const object = this.#objects.get(resourceKey(name));
    return object && clone(this.#definition.schema, object);
  }

  list(): ResourceList<T> {
    const items = this.#sorted().map((object) => clone(this.#definition.schema, object));
    return { items, resourceVersion: String(this.#log.last) };
  }

  apply(init: MessageInitShape<GenMessage<T>>): T {
    const { schema, nameOf, kind } = this.#definition;
    const object = create(schema, init);
    const name = nameOf(object);
    if (name === "") throw new ApiError("INVALID_ARGUMENT", `metadata.name: a ${kind} needs a name`);
    const before = this.#objects.get(resourceKey(name));
    if (before !== undefined && this.#shape.isSameState(before, object)) return clone(schema, before);
    return this.#commit(before === undefined ? "ADDED" : "MODIFIED", object, before ?? object);
  }

  delete(name: string): T | undefined {
    const before = this.#objects.get(resourceKey(name));
    return before && this.#commit("DELETED", before, before);
  }

  async *watch({ after, signal }: TrackedWatchOptions = {}): AsyncGenerator<WatchEvent<T>> {
    const log = this.#log;
    const { schema, typeName } = this.#definition;
    const began = log.end;
    const initial = after === undefined ? this.#sorted() : [];
    if (after !== undefined && after > BigInt(log.last)) throw expired(after, log);
    let cursor = after === undefined ? log.last : Number(after);
    for (const object of initial) yield { type: "ADDED", object: clone(schema, object) };
    while (signal?.aborted !== true) {
      if (log.end !== undefined && log.end !== began) throw log.end.error;
      if (cursor < log.oldestCursor) throw expired(cursor, log);
      const event = log.after(cursor);
      if (event === undefined) {
        await log.changed(signal);
        continue;
      }
      cursor = event.version;
      // Of this kind, since its type name is: `apply` made it from the schema.
      if (event.typeName === typeName) yield { type: event.type, object: clone(schema, event.object as T) };
    }
  }

  /** The new state enters the objects and the log in one step. */
  #commit(type: EventType, object: T, named: T): T {
    const { schema, nameOf, typeName } = this.#definition;
    const name = nameOf(named);
    const next = this.#shape.stamp(object, name, this.#log.last + 1);
    if (type === "DELETED") this.#objects.delete(resourceKey(name));
    else this.#objects.set(resourceKey(name), next);
    this.#log.append({ type, typeName, object: next });
    return clone(schema, next);
  }

  #sorted(): readonly T[] {
    const { nameOf } = this.#definition;
    return [...this.#objects.values()].sort((a, b) => compareNatural(nameOf(a), nameOf(b)));
  }
}

function expired(version: bigint | number, log: EventLog): ApiError {
  const window = `the history holds what follows version ${log.oldestCursor} up to ${log.last}`;
  return new ApiError("OUT_OF_RANGE", `resource version ${version} has expired: ${window}; list again`);
}
