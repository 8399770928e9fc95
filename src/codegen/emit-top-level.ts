import { createImportSymbol } from "@bufbuild/protoplugin";
import { sourceOf, symbolsOf } from "./emit-group.ts";
import { doc, exported, type Line, line, type OutputFile } from "./lines.ts";
import type { TopLevel } from "./options.ts";
import type { Runtime } from "./runtime.ts";
import type { ResourceGroup } from "./schema.ts";

type Emitter = (groups: readonly ResourceGroup[], runtime: Runtime) => OutputFile;

const EMITTERS: Readonly<Record<TopLevel, Emitter>> = {
  clientset: emitClientset,
  informers: emitInformers,
  fake: emitFake,
};

/** A file over all groups, of which there has to be one. Pure. */
export function emitTopLevel(name: TopLevel, groups: readonly ResourceGroup[], runtime: Runtime): OutputFile {
  return EMITTERS[name](groups, runtime);
}

function emitClientset(groups: readonly ResourceGroup[], runtime: Runtime): OutputFile {
  return topLevelFile("clientset", groups, [
    doc("Calls for every kind, by API group and version."),
    line`${exported("interface", "Clientset")} {`,
    ...groups.map((members) => line`  ${members.group.accessor}(): ${symbolsOf(members).clientType};`),
    line`}`,
    [],
    doc("Typed calls over a connection, which stays the caller's to close."),
    line`${exported("function", "createClientset")}(connection: ${runtime("Connection")}): Clientset {`,
    line`  return {`,
    ...groups.map(
      (members) => line`    ${members.group.accessor}: () => ${symbolsOf(members).createClient}(connection),`,
    ),
    line`  };`,
    line`}`,
  ]);
}

function emitInformers(groups: readonly ResourceGroup[], runtime: Runtime): OutputFile {
  const factory = runtime("InformerFactory");
  return topLevelFile("informer-factory", groups, [
    doc("Where the informers take their objects from: a clientset."),
    line`${exported("interface", "InformerSource")} {`,
    ...groups.map((members) => line`  ${members.group.accessor}(): ${symbolsOf(members).clientType};`),
    line`}`,
    [],
    doc("An informer factory that knows every kind, by API group and version."),
    line`${exported("interface", "SharedInformerFactory")} extends ${factory} {`,
    ...groups.map((members) => line`  ${members.group.accessor}(): ${symbolsOf(members).informersType};`),
    line`}`,
    [],
    doc("The options hold for every informer. `runtime` is clock, timers and chance. Default: the process's."),
    line`${exported("function", "createInformerFactory")}(`,
    line`  source: InformerSource,`,
    line`  options?: ${runtime("InformerOptions")},`,
    line`  runtime?: ${runtime("ReflectorRuntime")},`,
    line`): SharedInformerFactory {`,
    line`  const factory = new ${factory}(options, runtime);`,
    line`  return Object.assign(factory, {`,
    ...groups.map((members) => {
      const { accessor } = members.group;
      return line`    ${accessor}: () => ${symbolsOf(members).createInformers}(factory, source.${accessor}()),`;
    }),
    line`  });`,
    line`}`,
  ]);
}

function emitFake(groups: readonly ResourceGroup[], runtime: Runtime): OutputFile {
  const clientset = (name: string, isType: boolean) => createImportSymbol(name, "./clientset.gen.js", isType);
  const message = createImportSymbol("Message", "@bufbuild/protobuf", true);
  return topLevelFile("fake-clientset", groups, [
    doc("A clientset over objects in memory; `fake` has the objects, the reactors and the calls that came."),
    line`${exported("interface", "FakeClientset")} extends ${clientset("Clientset", true)} {`,
    line`  readonly fake: ${runtime("Fake")};`,
    line`}`,
    [],
    doc("Throws where an object is of none of the kinds."),
    line`${exported("function", "createFakeClientset")}(...objects: readonly ${message}[]): FakeClientset {`,
    line`  const resources = [`,
    ...groups.map((members) => line`    ...${symbolsOf(members).resources},`),
    line`  ];`,
    line`  const fake = ${runtime("createFake")}({ resources }, objects);`,
    line`  const connection = ${runtime("createFakeConnection")}(fake);`,
    line`  return Object.assign(${clientset("createClientset", false)}(connection), { fake });`,
    line`}`,
  ]);
}

function topLevelFile(name: string, groups: readonly ResourceGroup[], lines: readonly Line[]): OutputFile {
  const [first] = groups;
  if (first === undefined) throw new Error("there is at least one group");
  return { path: `${name}.gen.ts`, source: sourceOf(first), lines };
}
