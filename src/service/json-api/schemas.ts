import { Code } from "../../base/status-error.ts";
import type { JsonSchema } from "./operation.ts";

const text = (description: string): JsonSchema => ({ type: "string", description });
const oneOf = (values: readonly string[], description: string): JsonSchema => ({
  type: "string",
  enum: values,
  description,
});
const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });
const list = (name: string, description: string): JsonSchema => ({ type: "array", items: ref(name), description });
const version = (description: string): JsonSchema => ({ type: "string", pattern: "^[0-9]+$", description });
const time = (description: string): JsonSchema => ({ type: "string", format: "date-time", description });
const flag = (description: string): JsonSchema => ({ type: "boolean", description });

/** An object in which every property is always there, but for those named. */
function object(
  description: string,
  properties: Readonly<Record<string, JsonSchema>>,
  optional: readonly string[] = [],
): JsonSchema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", description, properties, required };
}

const EVENT_TYPES = ["ADDED", "MODIFIED", "DELETED"];
const STATUSES = ["True", "False", "Unknown"];
const STATUS_OR_NONE = [...STATUSES, ""];

const GPU_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  ObjectMeta: object("What identifies an object.", {
    name: text("Unique on the node."),
    resourceVersion: version("The server's counter at the object's last change."),
    namespace: text("Always empty."),
  }),
  ListMeta: object("Of a list.", { resourceVersion: version("The server's counter at the instant of the list.") }),
  GpuSpec: object("What does not change.", { uuid: text("The GPU's UUID; empty where nobody has told it.") }),
  Condition: object(
    "One statement about a GPU.",
    {
      type: text("What it is about. Ready is the server's verdict over all that count."),
      status: oneOf(STATUSES, "True is good, but for the types that the server counts inverted."),
      lastTransitionTime: time("When the status last moved."),
      reason: text("Why, in a word."),
      message: text("Why, for people. Text that a provider wrote."),
    },
    ["lastTransitionTime"],
  ),
  GpuStatus: object("How the GPU is.", {
    conditions: list("Condition", "Ready first, then by type; none where nobody has reported."),
    recommendedAction: text("The gravest advice of those who report a fault; empty for none."),
  }),
  Gpu: object("nvidia.device.v1alpha1.Gpu", {
    metadata: ref("ObjectMeta"),
    spec: ref("GpuSpec"),
    status: ref("GpuStatus"),
    resourceVersion: version("As in metadata."),
  }),
  GpuList: object("nvidia.device.v1alpha1.GpuList", {
    metadata: ref("ListMeta"),
    items: list("Gpu", "By name: gpu-2 before gpu-10."),
  }),
};

const EVENT_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  ConditionChange: object("How one condition of a GPU changed.", {
    type: text("The condition's type."),
    previousStatus: oneOf(STATUS_OR_NONE, "Before; empty where there was none, or where it is forgotten."),
    status: oneOf(STATUS_OR_NONE, "After; empty where the condition went."),
    reason: text("After; of a condition that went, before."),
    message: text("After; of a condition that went, before."),
  }),
  Event: object(
    "deviceapi.admin.v1alpha1.Event: one change of one GPU, as the difference to the state before it.",
    {
      resourceVersion: version("The version that it made."),
      time: time("When it was committed, on the server's clock."),
      gpu: text("The GPU's name."),
      type: oneOf(EVENT_TYPES, "As in a watch."),
      changes: list("ConditionChange", "The conditions that came, changed or went, Ready first; none for DELETED."),
      whole: flag("The state before it is forgotten: the changes are all conditions after it."),
      previousAction: text("The advice before it, where that changed; empty for none."),
      recommendedAction: text("The advice after it, where that changed; empty for none."),
      uuid: text("The UUID after it, where that changed."),
      by: text("The operator's word that brought it about; empty where it was none."),
    },
    ["previousAction", "recommendedAction", "uuid"],
  ),
  EventList: object("deviceapi.admin.v1alpha1.ListEventsResponse", {
    events: list("Event", "The newest first."),
    resourceVersion: version("The server's counter at the instant of the list."),
  }),
};

/** What stands in the data of each type of server-sent event. */
export const STREAM_DATA: Readonly<Record<string, string>> = {
  opened: "StreamOpened",
  ADDED: "WatchEvent",
  MODIFIED: "WatchEvent",
  DELETED: "WatchEvent",
  synced: "StreamSynced",
  ended: "Error",
};

const STREAM_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  StreamOpened: object("The first event of a stream.", {
    node: text("The node's name."),
    version: text("The server's version."),
    time: time("The server's clock: ages are counted from it."),
    resourceVersion: version("The version of the snapshot, or the one after which the stream goes on."),
    snapshot: flag("The present state follows, up to synced; what was known before no longer counts."),
    gpus: { type: "integer", minimum: 0, description: "How many GPUs the snapshot has." },
  }),
  StreamSynced: object("The snapshot is complete.", { resourceVersion: version("Its version.") }),
  WatchEvent: object("nvidia.device.v1alpha1.WatchGpusResponse", {
    type: oneOf(EVENT_TYPES, "What happened."),
    object: ref("Gpu"),
  }),
  StreamEvent: {
    type: "string",
    description: "Server-sent events. The data of each is JSON, described by the schema named for its type.",
    "x-event-data": Object.fromEntries(Object.entries(STREAM_DATA).map(([type, name]) => [type, ref(name)])),
  },
};

export const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  ...GPU_SCHEMAS,
  ...EVENT_SCHEMAS,
  ...STREAM_SCHEMAS,
  Error: object("Why there is no answer.", {
    code: oneOf(Object.keys(Code), "The name of the gRPC status."),
    message: text("What is wrong, and what to do."),
  }),
  OpenApi: { type: "object", description: "An OpenAPI 3.1 document." },
};
