import type { Printable } from "@bufbuild/protoplugin";
import { createImportSymbol, safeIdentifier } from "@bufbuild/protoplugin";
import { doc, exported, type Line, line, type OutputFile, quoted } from "./lines.ts";
import { besideProto, kebab } from "./names.ts";
import type { ResourceService } from "./resource-service.ts";
import type { Runtime } from "./runtime.ts";

/** The definition as the other generated files import it. */
export function definitionOf(resource: ResourceService): Printable {
  return createImportSymbol(definitionName(resource), `./${pathOf(resource)}.js`);
}

export function clientTypeOf(resource: ResourceService): Printable {
  return createImportSymbol(`${resource.kind}Client`, `./${pathOf(resource)}.js`, true);
}

/** The message type of the object. */
export const shapeOf = ({ object }: ResourceService): Printable => ({ kind: "es_shape_ref", desc: object });

const definitionName = ({ accessor }: ResourceService): string => safeIdentifier(accessor);

const pathOf = ({ service, kind }: ResourceService): string => besideProto(service.file.name, kebab(kind));

/** gpu.gen.ts: where in the messages things stand, for the generic code. Pure. */
export function emitResource(resource: ResourceService, runtime: Runtime): OutputFile {
  const { service, kind } = resource;
  const shape = shapeOf(resource);
  return {
    path: `${pathOf(resource)}.ts`,
    source: service.file,
    lines: [
      doc(`How a ${kind} is read and followed.`, "", `@generated from service ${service.typeName}`),
      ...emitDefinition(resource, runtime),
      [],
      doc(`Calls for objects of the kind ${kind}.`),
      line`${exported("type", `${kind}Client`)} = ${runtime("ResourceClient")}<${shape}>;`,
      [],
      doc(`Reads an informer's cache of objects of the kind ${kind}.`),
      line`${exported("type", `${kind}Lister`)} = ${runtime("Lister")}<${shape}>;`,
      [],
      doc(`Follows the objects of the kind ${kind}.`),
      line`${exported("type", `${kind}Informer`)} = ${runtime("SharedInformer")}<${shape}>;`,
    ],
  };
}

function emitDefinition(resource: ResourceService, runtime: Runtime): readonly Line[] {
  const { service, kind, accessor, object, get, list, watch, objectProperty, listProperty } = resource;
  const schema: Printable = { kind: "es_desc_ref", desc: object };
  const methods: Printable[] = [{ kind: "es_desc_ref", desc: service }, ".method."];
  const name = exported("const", definitionName(resource));
  const type = [runtime("ResourceDefinition"), "<", shapeOf(resource), ">"];
  return [
    line`${name}: ${type} = /*@__PURE__*/ ${runtime("defineResource")}({`,
    line`  kind: ${quoted(kind)},`,
    line`  plural: ${quoted(accessor)},`,
    line`  schema: ${schema},`,
    line`  metadataOf: (object) => object.metadata,`,
    line`  get: {`,
    line`    method: ${methods}${get.localName},`,
    line`    request: (name, opts) => ({ name, opts }),`,
    line`    objectOf: (reply) => reply.${objectProperty},`,
    line`  },`,
    line`  list: {`,
    line`    method: ${methods}${list.localName},`,
    line`    request: (opts) => ({ opts }),`,
    line`    listOf: (reply) => reply.${listProperty},`,
    line`  },`,
    line`  watch: {`,
    line`    method: ${methods}${watch.localName},`,
    line`    request: (opts) => ({ opts }),`,
    line`    eventOf: (reply) => reply,`,
    line`  },`,
    line`});`,
  ];
}
