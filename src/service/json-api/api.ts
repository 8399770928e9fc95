import { create, toJsonString } from "@bufbuild/protobuf";
import type { Clock } from "../../base/clock.ts";
import { invalidArgument } from "../../base/status-error.ts";
import { ListEventsResponseSchema } from "../../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { NAME_MAX, RECENT_EVENTS_MAX } from "../../store/limits.ts";
import type { Store } from "../../store/store.ts";
import { eventMessage } from "../admin-messages.ts";
import { gpuNotFound } from "../gpu-service.ts";
import type { RecentEvents } from "../recent-events.ts";
import { checkLength } from "../validate.ts";
import { gpuJson, gpuListJson, JSON_OPTIONS } from "./gpu-json.ts";
import { openApiDocument } from "./openapi.ts";
import type { ApiOperation, ApiParameter, ApiRequest, JsonOperation, StreamOperation } from "./operation.ts";
import { type ServerIdentity, VERSION_DIGITS_MAX, watchGpus } from "./watch.ts";

export interface ApiOptions {
  readonly store: Store;
  readonly events: RecentEvents;
  readonly clock: Clock;
  readonly server: ServerIdentity;
}

const EVENTS_DEFAULT = 100;
const VERSION_SCHEMA = { type: "string", pattern: "^[0-9]+$", maxLength: VERSION_DIGITS_MAX };

/** Everything that the API answers: reading alone, in the protobuf JSON mapping, from the store that gRPC reads. */
export function createApi(options: ApiOptions): readonly ApiOperation[] {
  const operations = [listGpus(options), getGpu(options), listEvents(options), watch(options)];
  const document: JsonOperation = {
    ...OPENAPI,
    handle: () => [text],
  };
  const all = [...operations, document];
  const text = JSON.stringify(openApiDocument(all, options.server.version));
  return all;
}

const OPENAPI = {
  kind: "json",
  path: "/api/v1/openapi.json",
  id: "getOpenApi",
  summary: "This description",
  description: "The OpenAPI document of the API, as the server that answers has it.",
  parameters: [],
  schema: "OpenApi",
  errors: [],
} as const;

const NAME: ApiParameter = {
  name: "name",
  in: "path",
  description: "The GPU's name, in any case of letters.",
  schema: { type: "string", minLength: 1 },
};

function listGpus({ store }: ApiOptions): JsonOperation {
  return {
    kind: "json",
    path: "/api/v1/gpus",
    id: "listGpus",
    summary: "All GPUs",
    description: "Every GPU of the node at one version, by name. Waits for an update that is under way.",
    parameters: [],
    schema: "GpuList",
    errors: ["DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"],
    async handle(request) {
      const { version, objects } = await store.read(request, (view) => view.snapshot());
      return gpuListJson(version, objects);
    },
  };
}

function getGpu({ store }: ApiOptions): JsonOperation {
  return {
    kind: "json",
    path: "/api/v1/gpus/{name}",
    id: "getGpu",
    summary: "One GPU",
    description: "One GPU as it is now. Waits for an update that is under way.",
    parameters: [NAME],
    schema: "Gpu",
    errors: ["NOT_FOUND", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"],
    async handle(request) {
      const { name = "" } = request.parameters;
      const object = await store.read(request, (view) => view.get(name));
      if (object === undefined) throw gpuNotFound(name);
      return [gpuJson(object)];
    },
  };
}

function listEvents({ events }: ApiOptions): JsonOperation {
  return {
    kind: "json",
    path: "/api/v1/events",
    id: "listEvents",
    summary: "What changed last",
    description:
      "The latest changes, newest first, as far back as the history of the watches reaches. Large ones may make it " +
      "fewer than were asked for.",
    parameters: [
      {
        name: "limit",
        in: "query",
        description: "How many at most.",
        schema: { type: "integer", minimum: 1, maximum: RECENT_EVENTS_MAX, default: EVENTS_DEFAULT },
      },
      {
        name: "gpu",
        in: "query",
        description: "Only those of the GPU of this name, in any case of letters, also after it was deleted.",
        schema: { type: "string", minLength: 1, maxLength: NAME_MAX },
      },
    ],
    schema: "EventList",
    errors: ["INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"],
    async handle(request) {
      const list = await events.list(request, eventsQuery(request));
      const message = { events: list.events.map(eventMessage), resourceVersion: BigInt(list.version) };
      return [toJsonString(ListEventsResponseSchema, create(ListEventsResponseSchema, message), JSON_OPTIONS)];
    },
  };
}

function eventsQuery({ parameters }: ApiRequest) {
  const { limit: text, gpu } = parameters;
  const limit = text === undefined ? EVENTS_DEFAULT : /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > RECENT_EVENTS_MAX) {
    throw invalidArgument("limit", `${JSON.stringify(text)} is no whole number from 1 to ${RECENT_EVENTS_MAX}`);
  }
  if (gpu === undefined) return { limit };
  if (gpu === "") throw invalidArgument("gpu", "must not be empty");
  checkLength(gpu, NAME_MAX, "gpu");
  return { limit, name: gpu };
}

function watch(options: ApiOptions): StreamOperation {
  return {
    kind: "stream",
    path: "/api/v1/watch",
    id: "watchGpus",
    summary: "All GPUs, and every change from then on",
    description:
      "Server-sent events: `opened`; where that says `snapshot`, an ADDED for each GPU and `synced`; then ADDED, " +
      "MODIFIED or DELETED for each change, exactly once and in order. `ended` says why the server ends the stream, " +
      "such as for a reader that is too slow. A comment every 15 s shows that the connection lives. With the last id " +
      "a reader goes on where it was; where the history does not reach that far, it starts anew with a snapshot.",
    parameters: [
      {
        name: "from",
        in: "query",
        description: "Go on after this version.",
        schema: VERSION_SCHEMA,
      },
      {
        name: "Last-Event-ID",
        in: "header",
        description: "The same, as browsers send it when they come back by themselves; it wins over `from`.",
        schema: VERSION_SCHEMA,
      },
    ],
    schema: "StreamEvent",
    errors: ["INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"],
    handle: (request, stream) => watchGpus(options, request, stream),
  };
}
