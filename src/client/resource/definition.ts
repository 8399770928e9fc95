import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  Message,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { ApiError } from "../errors.ts";
import type { EventType, RequestOptions, ResourceDefinition, WatchEvent } from "./types.ts";

/** ObjectMeta and ListMeta of any version of the contract. */
export interface ObjectMetadata {
  readonly name: string;
  readonly resourceVersion: string;
}

export interface ObjectList<T> {
  readonly items: readonly T[];
  readonly metadata?: { readonly resourceVersion: string } | undefined;
}

export interface WireEvent<T> {
  readonly type: string;
  readonly object?: T | undefined;
}

/** What the generator writes down of a resource: its methods, and where in their messages things stand. */
export interface ResourceDescription<
  T extends Message,
  GetI extends DescMessage,
  GetO extends DescMessage,
  ListI extends DescMessage,
  ListO extends DescMessage,
  WatchI extends DescMessage,
  WatchO extends DescMessage,
> {
  /** "Gpu" */
  readonly kind: string;
  /** "gpus" */
  readonly plural: string;
  readonly schema: GenMessage<T>;
  metadataOf(object: T): ObjectMetadata | undefined;
  readonly get: {
    readonly method: DescMethodUnary<GetI, GetO>;
    request(name: string, opts: RequestOptions): MessageInitShape<GetI>;
    objectOf(reply: MessageShape<GetO>): T | undefined;
  };
  readonly list: {
    readonly method: DescMethodUnary<ListI, ListO>;
    request(opts: RequestOptions): MessageInitShape<ListI>;
    listOf(reply: MessageShape<ListO>): ObjectList<T> | undefined;
  };
  readonly watch: {
    readonly method: DescMethodServerStreaming<WatchI, WatchO>;
    request(opts: RequestOptions): MessageInitShape<WatchI>;
    eventOf(reply: MessageShape<WatchO>): WireEvent<T>;
  };
}

/** The same with the types of the messages forgotten: generic code has to know the object's alone. */
export function defineResource<
  T extends Message,
  GetI extends DescMessage,
  GetO extends DescMessage,
  ListI extends DescMessage,
  ListO extends DescMessage,
  WatchI extends DescMessage,
  WatchO extends DescMessage,
>(description: ResourceDescription<T, GetI, GetO, ListI, ListO, WatchI, WatchO>): ResourceDefinition<T> {
  const { kind, plural, schema, metadataOf, get, list, watch } = description;
  return {
    kind,
    plural,
    schema,
    typeName: schema.typeName,
    methods: { get: get.method, list: list.method, watch: watch.method },
    nameOf: (object) => metadataOf(object)?.name ?? "",
    resourceVersionOf: (object) => metadataOf(object)?.resourceVersion ?? "",
    async get(connection, name, options) {
      const reply = await connection.unary(get.method, get.request(name, requestOptions(options)), options);
      const object = get.objectOf(reply);
      if (object === undefined) throw malformed(get.method, "the reply has no object");
      return object;
    },
    async list(connection, options) {
      const reply = await connection.unary(list.method, list.request(requestOptions(options)), options);
      const found = list.listOf(reply);
      if (found?.metadata === undefined)
        throw malformed(list.method, "the reply has no list, or one without a version");
      return { items: found.items, resourceVersion: found.metadata.resourceVersion };
    },
    watch(connection, options) {
      const replies = connection.serverStream(watch.method, watch.request(requestOptions(options)), options);
      const events = async function* () {
        for await (const reply of replies) yield toWatchEvent(watch.eventOf(reply), watch.method);
      };
      return { [Symbol.asyncIterator]: events };
    },
  };
}

function requestOptions({ resourceVersion = "", namespace = "" }: Partial<RequestOptions>): RequestOptions {
  return { resourceVersion, namespace };
}

const EVENT_TYPES: ReadonlySet<string> = new Set<EventType>(["ADDED", "MODIFIED", "DELETED"]);

const isEventType = (type: string): type is EventType => EVENT_TYPES.has(type);

/** A server that sends ERROR, or a type of some later contract, cannot be followed: going on would lose a change. */
function toWatchEvent<T>({ type, object }: WireEvent<T>, method: DescMethodServerStreaming): WatchEvent<T> {
  if (!isEventType(type)) throw malformed(method, `an event of type ${JSON.stringify(type)}`);
  if (object === undefined) throw malformed(method, `an event of type ${type} without an object`);
  return { type, object };
}

function malformed(method: DescMethodUnary | DescMethodServerStreaming, what: string): ApiError {
  const details = `the server does not keep the contract: ${what}`;
  return new ApiError("INTERNAL", details, `${method.parent.typeName}/${method.name}`);
}
