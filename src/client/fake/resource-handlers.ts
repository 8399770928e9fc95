import type { Message } from "@bufbuild/protobuf";
import { ApiError } from "../errors.ts";
import type { ResourceDefinition, ResourceList, WatchEvent } from "../resource/types.ts";
import type { CallContext, Handler } from "./handler.ts";
import { createReactionResults } from "./reaction-results.ts";
import type { ReactionChain } from "./reactors.ts";
import type { ObjectTracker, Tracker } from "./tracker.ts";
import { aborted } from "./until-aborted.ts";
import { type ResourceRequest, wireShapeOf } from "./wire-shape.ts";

/** Get, List and Watch of one kind as the wire contract has them: reactors first, then the tracker. */
export function createResourceHandlers<T extends Message>(
  definition: ResourceDefinition<T>,
  tracker: Tracker,
  chain: ReactionChain,
): readonly Handler[] {
  const { get, list, watch } = definition.methods;
  const shape = wireShapeOf(definition);
  const results = createReactionResults(definition);
  const served: Served<T> = { kind: definition.kind, tracker, objects: tracker.of(definition) };
  const react = (verb: string, { name }: ResourceRequest, request: Message, { metadata }: CallContext) =>
    chain.react({ verb, resource: definition.plural, name, request, metadata });
  return [
    {
      kind: "unary",
      method: get,
      async handle(request, call) {
        const asked = shape.readRequest(get, request);
        const reaction = await react("get", asked, request, call);
        return shape.getReply(reaction === undefined ? getObject(served, asked) : results.objectOf(reaction.result));
      },
    },
    {
      kind: "unary",
      method: list,
      async handle(request, call) {
        const asked = shape.readRequest(list, request);
        const reaction = await react("list", asked, request, call);
        return shape.listReply(reaction === undefined ? listObjects(served, asked) : results.listOf(reaction.result));
      },
    },
    {
      kind: "server_streaming",
      method: watch,
      async *handle(request, call) {
        const asked = shape.readRequest(watch, request);
        const reaction = await react("watch", asked, request, call);
        const events =
          reaction === undefined ? watchObjects(served, asked, call.signal) : results.eventsOf(reaction.result);
        for await (const event of events) yield shape.watchReply(event);
      },
    },
  ];
}

interface Served<T extends Message> {
  readonly kind: string;
  readonly tracker: Tracker;
  readonly objects: ObjectTracker<T>;
}

function getObject<T extends Message>({ kind, objects }: Served<T>, asked: ResourceRequest): T {
  if (asked.name === "") throw new ApiError("INVALID_ARGUMENT", "name: must not be empty");
  readVersion(asked);
  const object = isOwnNamespace(asked) ? objects.get(asked.name) : undefined;
  if (object === undefined) throw new ApiError("NOT_FOUND", `no ${kind} is named ${JSON.stringify(asked.name)}`);
  return object;
}

function listObjects<T extends Message>({ tracker, objects }: Served<T>, asked: ResourceRequest): ResourceList<T> {
  readVersion(asked);
  return isOwnNamespace(asked) ? objects.list() : { items: [], resourceVersion: tracker.resourceVersion };
}

async function* watchObjects<T extends Message>(
  { objects }: Served<T>,
  asked: ResourceRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>> {
  const after = readVersion(asked);
  if (isOwnNamespace(asked)) yield* objects.watch({ ...(after === undefined ? {} : { after }), signal });
  // Another namespace is empty and stays so: its watch is open and silent.
  else await aborted(signal);
}

const INT64 = /^-?\d{1,19}$/;
const INT64_MAX = 2n ** 63n - 1n;

/** Undefined for "from the present state", which "" and "0" mean. */
function readVersion({ resourceVersion: text }: ResourceRequest): bigint | undefined {
  if (text === "") return undefined;
  const version = INT64.test(text) ? BigInt(text) : undefined;
  if (version === undefined || version > INT64_MAX || version < -INT64_MAX - 1n) {
    const problem = `${JSON.stringify(text.slice(0, 40))} is not a decimal int64`;
    throw new ApiError("INVALID_ARGUMENT", `opts.resource_version: ${problem}`);
  }
  return version === 0n ? undefined : version;
}

function isOwnNamespace({ namespace }: ResourceRequest): boolean {
  return namespace === "" || namespace === "default";
}
