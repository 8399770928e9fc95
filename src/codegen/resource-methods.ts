import type {
  DescMessage,
  DescMethod,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
} from "@bufbuild/protobuf";
import { type Report, requireItems, requireMessage, requireString, singleMessageField } from "./fields.ts";

/** The three methods by their names, whatever their shapes. */
export interface NamedMethods {
  readonly plural: string;
  readonly get: DescMethod | undefined;
  readonly list: DescMethod | undefined;
  readonly watch: DescMethod | undefined;
}

/** The three methods, and where in their replies things stand (as protoc-gen-es spells the properties). */
export interface ResourceMethods {
  readonly object: DescMessage;
  readonly get: DescMethodUnary;
  readonly objectProperty: string;
  readonly list: DescMethodUnary;
  readonly listProperty: string;
  readonly watch: DescMethodServerStreaming;
}

/** Of several possible plurals the one that the service uses. */
export function findMethods(service: DescService, kind: string, plurals: readonly string[]): NamedMethods {
  const method = (name: string) => service.methods.find((found) => found.name === name);
  const plural = plurals.find((word) => method(`List${word}`) ?? method(`Watch${word}`)) ?? plurals[0] ?? "";
  return { plural, get: method(`Get${kind}`), list: method(`List${plural}`), watch: method(`Watch${plural}`) };
}

/** Undefined where something was reported. */
export function readMethods(named: NamedMethods, kind: string, report: Report): ResourceMethods | undefined {
  const get = requireKind(named.get, `Get${kind}`, "unary", report);
  const list = requireKind(named.list, `List${named.plural}`, "unary", report);
  const watch = requireKind(named.watch, `Watch${named.plural}`, "server_streaming", report);
  const found = get && readGet(get, kind, prefixed(report, get));
  const listProperty = list && found && readList(list, found.object, prefixed(report, list));
  if (watch && found) readWatch(watch, found.object, prefixed(report, watch));
  if (!get || !list || !watch || !found || listProperty === undefined) return undefined;
  return { ...found, get, list, listProperty, watch };
}

type MethodOf<K extends DescMethod["methodKind"]> = DescMethod & { readonly methodKind: K };

const KIND_WORDS: Readonly<Record<DescMethod["methodKind"], string>> = {
  unary: "unary",
  server_streaming: "server-streaming",
  client_streaming: "client-streaming",
  bidi_streaming: "streaming in both directions",
};

function requireKind<K extends DescMethod["methodKind"]>(
  method: DescMethod | undefined,
  name: string,
  wanted: K,
  report: Report,
): MethodOf<K> | undefined {
  if (method === undefined) report(`has no method ${name} (${KIND_WORDS[wanted]}), which a resource service needs`);
  else if (isKind(method, wanted)) return method;
  else report(`${name} has to be ${KIND_WORDS[wanted]}; it is ${KIND_WORDS[method.methodKind]}`);
  return undefined;
}

function isKind<K extends DescMethod["methodKind"]>(method: DescMethod, kind: K): method is MethodOf<K> {
  return method.methodKind === kind;
}

const prefixed =
  (report: Report, method: DescMethod): Report =>
  (problem) =>
    report(`${method.name}: ${problem}`);

function readGet(get: DescMethodUnary, kind: string, report: Report) {
  requireString(get.input, "name", report);
  requireOptions(get.input, report);
  const field = singleMessageField(get.output, (message) => message.name === kind);
  if (field === undefined) {
    report(`${get.output.name} has to have one field of the message ${kind}, the object (not repeated, in no oneof)`);
    return undefined;
  }
  const metadata = requireMessage(field.message, "metadata", "a message with name and resource_version", report);
  if (metadata === undefined) return undefined;
  requireString(metadata, "name", report);
  requireString(metadata, "resource_version", report);
  return { object: field.message, objectProperty: field.localName };
}

function readList(list: DescMethodUnary, object: DescMessage, report: Report): string | undefined {
  requireOptions(list.input, report);
  const hasItems = (message: DescMessage) => message.fields.some(({ name }) => name === "items");
  const field = singleMessageField(list.output, hasItems);
  if (field === undefined) {
    const wrapper = `a message with metadata (and in it resource_version) and repeated ${object.name} items`;
    report(`${list.output.name} has to have one field with the list: ${wrapper}`);
    return undefined;
  }
  const metadata = requireMessage(field.message, "metadata", "a message with resource_version", report);
  if (metadata !== undefined) requireString(metadata, "resource_version", report);
  requireItems(field.message, "items", object, report);
  return field.localName;
}

function readWatch(watch: DescMethodServerStreaming, object: DescMessage, report: Report): void {
  requireOptions(watch.input, report);
  requireString(watch.output, "type", report);
  const found = requireMessage(watch.output, "object", `one ${object.name}`, report);
  if (found !== undefined && found.typeName !== object.typeName) {
    report(`${watch.output.name}.object has to be one ${object.name}; it is one ${found.name}`);
  }
}

function requireOptions(request: DescMessage, report: Report): void {
  const opts = requireMessage(request, "opts", "a message with resource_version and namespace", report);
  if (opts === undefined) return;
  requireString(opts, "resource_version", report);
  requireString(opts, "namespace", report);
}
