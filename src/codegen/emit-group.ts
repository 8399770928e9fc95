import type { DescFile } from "@bufbuild/protobuf";
import type { Printable } from "@bufbuild/protoplugin";
import { createImportSymbol } from "@bufbuild/protoplugin";
import { clientTypeOf, definitionOf, shapeOf } from "./emit-resource.ts";
import { doc, exported, line, type OutputFile } from "./lines.ts";
import { besideProto } from "./names.ts";
import type { Runtime } from "./runtime.ts";
import type { ResourceGroup } from "./schema.ts";

/** What the files over all groups take from those of one group. */
export interface GroupSymbols {
  readonly clientType: Printable;
  readonly createClient: Printable;
  readonly resources: Printable;
  readonly informersType: Printable;
  readonly createInformers: Printable;
}

export function symbolsOf(members: ResourceGroup): GroupSymbols {
  const { typePrefix, accessor } = members.group;
  const client = `./${pathOf(members, "client")}.js`;
  const informers = `./${pathOf(members, "informers")}.js`;
  return {
    clientType: createImportSymbol(`${typePrefix}Client`, client, true),
    createClient: createImportSymbol(`create${typePrefix}Client`, client),
    resources: createImportSymbol(`${accessor}Resources`, client),
    informersType: createImportSymbol(`${typePrefix}Informers`, informers, true),
    createInformers: createImportSymbol(`create${typePrefix}Informers`, informers),
  };
}

/** client.gen.ts: the typed clients of a group and version. Pure. */
export function emitGroupClient(members: ResourceGroup, runtime: Runtime): OutputFile {
  const { group, resources } = members;
  const { typePrefix, accessor, packageName } = group;
  const type = `${typePrefix}Client`;
  const list = exported("const", `${accessor}Resources`);
  const create = exported("function", `create${type}`);
  const definition = [
    runtime("ResourceDefinition"),
    "<",
    createImportSymbol("Message", "@bufbuild/protobuf", true),
    ">",
  ];
  return {
    path: `${pathOf(members, "client")}.ts`,
    source: sourceOf(members),
    lines: [
      doc("Every kind of the group and version.", "", `@generated from package ${packageName}`),
      line`${list}: readonly ${definition}[] = [`,
      ...resources.map((resource) => line`  ${definitionOf(resource)},`),
      line`];`,
      [],
      doc("Calls for every kind of the group and version.", "", `@generated from package ${packageName}`),
      line`${exported("interface", type)} {`,
      ...resources.map((resource) => line`  ${resource.accessor}(): ${clientTypeOf(resource)};`),
      line`}`,
      [],
      line`${create}(connection: ${runtime("Connection")}): ${type} {`,
      line`  return {`,
      ...resources.map((resource) => {
        const made = [runtime("createResourceClient"), "(connection, ", definitionOf(resource), ")"];
        return line`    ${resource.accessor}: () => ${made},`;
      }),
      line`  };`,
      line`}`,
    ],
  };
}

/** informers.gen.ts: the informers and listers of a group and version. Pure. */
export function emitGroupInformers(members: ResourceGroup, runtime: Runtime): OutputFile {
  const { group, resources } = members;
  const { typePrefix, packageName } = group;
  const type = `${typePrefix}Informers`;
  const create = exported("function", `create${type}`);
  return {
    path: `${pathOf(members, "informers")}.ts`,
    source: sourceOf(members),
    lines: [
      doc(
        "Informers and listers for every kind of the group and version.",
        "",
        `@generated from package ${packageName}`,
      ),
      line`${exported("interface", type)} {`,
      ...resources.map((resource) => {
        const access = [runtime("InformerAccess"), "<", shapeOf(resource), ">"];
        return line`  ${resource.accessor}(): ${access};`;
      }),
      line`}`,
      [],
      line`${create}(`,
      line`  factory: ${runtime("InformerFactory").toTypeOnly()},`,
      line`  client: ${symbolsOf(members).clientType},`,
      line`): ${type} {`,
      line`  return {`,
      ...resources.map((resource) => {
        const made = [
          runtime("accessInformer"),
          "(factory, ",
          definitionOf(resource),
          `, client.${resource.accessor}())`,
        ];
        return line`    ${resource.accessor}: () => ${made},`;
      }),
      line`  };`,
      line`}`,
    ],
  };
}

/** The file whose head the generated file quotes: the first of the group. */
export function sourceOf({ resources: [first] }: ResourceGroup): DescFile {
  if (first === undefined) throw new Error("a group has at least one resource");
  return first.service.file;
}

function pathOf(members: ResourceGroup, name: "client" | "informers"): string {
  return besideProto(sourceOf(members).name, name);
}
