import { isMessage, type Message } from "@bufbuild/protobuf";
import { ApiError } from "../errors.ts";
import type { ResourceDefinition, ResourceList, WatchEvent } from "../resource/types.ts";

/**
 * The results of reactors for one kind, checked: a test that is written wrong is told so, as INTERNAL, instead of
 * getting half a reply.
 */
export interface ReactionResults<T extends Message> {
  objectOf(result: unknown): T;
  listOf(result: unknown): ResourceList<T>;
  eventsOf(result: unknown): AsyncIterable<WatchEvent<T>>;
}

const EVENT_TYPES: ReadonlySet<unknown> = new Set(["ADDED", "MODIFIED", "DELETED"]);

export function createReactionResults<T extends Message>(definition: ResourceDefinition<T>): ReactionResults<T> {
  const { kind, plural, schema } = definition;
  const wrong = (verb: string, wanted: string) =>
    new ApiError("INTERNAL", `a reactor for ${verb} ${plural} has to answer with ${wanted}`);
  const isObject = (value: unknown): value is T => isMessage(value, schema);
  const isEvent = (value: unknown): value is WatchEvent<T> =>
    isRecord(value) && EVENT_TYPES.has(value["type"]) && isObject(value["object"]);
  return {
    objectOf(result) {
      if (!isObject(result)) throw wrong("get", `a ${kind}`);
      return result;
    },
    listOf(result) {
      const { items, resourceVersion } = isRecord(result) ? result : {};
      if (!Array.isArray(items) || !items.every(isObject) || typeof resourceVersion !== "string") {
        throw wrong("list", `items, each a ${kind}, and a resourceVersion`);
      }
      return { items, resourceVersion };
    },
    async *eventsOf(result) {
      const wanted = `an async iterable of { type: ADDED, MODIFIED or DELETED, object: a ${kind} }`;
      if (!isIterable(result)) throw wrong("watch", wanted);
      for await (const event of result) {
        if (!isEvent(event)) throw wrong("watch", wanted);
        yield event;
      }
    },
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return isRecord(value) && Symbol.asyncIterator in value;
}
