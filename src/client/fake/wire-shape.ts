import { clone, create, type DescField, type DescMessage, equals, type Message, ScalarType } from "@bufbuild/protobuf";
import { isReflectMessage, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { assert } from "../../base/assert.ts";
import type { ResourceDefinition, ResourceList, WatchEvent } from "../resource/types.ts";

/** What a request of a resource service asks for. */
export interface ResourceRequest {
  /** Empty for a list and a watch. */
  readonly name: string;
  readonly resourceVersion: string;
  readonly namespace: string;
}

/**
 * The serving side of a definition: how its requests are read and its replies are made. Found from the descriptors,
 * which have the shape that the generator demands of a resource service.
 */
export interface WireShape<T extends Message> {
  readRequest(method: { readonly input: DescMessage }, request: Message): ResourceRequest;
  getReply(object: T): Message;
  listReply(list: ResourceList<T>): Message;
  watchReply(event: WatchEvent<T>): Message;
  /** A copy under this name and version. */
  stamp(object: T, name: string, version: number): T;
  /** Equal but for their versions and the spelling of their names. */
  isSameState(a: T, b: T): boolean;
}

export function wireShapeOf<T extends Message>(definition: ResourceDefinition<T>): WireShape<T> {
  const { schema, methods, typeName } = definition;
  const objectProperty = propertyOf(methods.get.output, (message) => message.typeName === typeName);
  const listProperty = propertyOf(methods.list.output, (message) => fieldOf(message, "items") !== undefined);
  const stamp = (object: T, name: string, version: number): T => {
    const copy = clone(schema, object);
    writeVersion(reflect(schema, copy), schema, name, version);
    return copy;
  };
  return {
    readRequest(method, request) {
      const message = reflect(method.input, request);
      const opts = readMessage(message, "opts");
      const name = readString(message, "name");
      return { name, resourceVersion: readString(opts, "resource_version"), namespace: readString(opts, "namespace") };
    },
    getReply: (object) => create(methods.get.output, { [objectProperty]: object }),
    listReply: ({ items, resourceVersion }) =>
      create(methods.list.output, { [listProperty]: { metadata: { resourceVersion }, items: [...items] } }),
    watchReply: ({ type, object }) => create(methods.watch.output, { type, object }),
    stamp,
    isSameState: (a, b) => equals(schema, stamp(a, "", 0), stamp(b, "", 0)),
  };
}

/** `metadata` has name and version; a kind may carry the version once more, at its top, as Gpu does. */
function writeVersion(object: ReflectMessage, schema: DescMessage, name: string, version: number): void {
  const metadata = readMessage(object, "metadata");
  const place = fieldOf(schema, "metadata");
  assert(metadata !== undefined && place?.fieldKind === "message", `${schema.typeName} has metadata`);
  writeField(metadata, "name", name);
  writeField(metadata, "resource_version", String(version));
  writeField(metadata, "namespace", "");
  object.set(place, metadata);
  const top = fieldOf(schema, "resource_version");
  if (top?.fieldKind !== "scalar") return;
  if (top.scalar === ScalarType.STRING) object.set(top, String(version));
  if (top.scalar === ScalarType.INT64 || top.scalar === ScalarType.UINT64) object.set(top, BigInt(version));
}

function writeField(message: ReflectMessage, name: string, text: string): void {
  const field = fieldOf(message.desc, name);
  if (field?.fieldKind === "scalar" && field.scalar === ScalarType.STRING) message.set(field, text);
}

function readMessage(message: ReflectMessage, name: string): ReflectMessage | undefined {
  const field = fieldOf(message.desc, name);
  const value = field && message.get(field);
  return isReflectMessage(value) ? value : undefined;
}

function readString(message: ReflectMessage | undefined, name: string): string {
  const field = message && fieldOf(message.desc, name);
  const value = field && message.get(field);
  return typeof value === "string" ? value : "";
}

function fieldOf(message: DescMessage, name: string): DescField | undefined {
  return message.fields.find((field) => field.name === name);
}

function propertyOf(message: DescMessage, fits: (inner: DescMessage) => boolean): string {
  const field = message.fields.find((found) => found.fieldKind === "message" && fits(found.message));
  assert(field !== undefined, `${message.typeName} is the reply of a resource service`);
  return field.localName;
}
