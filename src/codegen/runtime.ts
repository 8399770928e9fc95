import type { ImportSymbol } from "@bufbuild/protoplugin";
import { createImportSymbol } from "@bufbuild/protoplugin";

type Entry = "client" | "informers" | "fake";

interface RuntimeName {
  /** The entry point of the package that has the name. */
  readonly entry: Entry;
  /** The source file that has it, relative to src/client. */
  readonly file: string;
  /** Default: false. */
  readonly isType?: boolean;
}

/** All that generated code takes from the runtime. A test looks each of them up. */
export const RUNTIME = {
  Connection: { entry: "client", file: "connection/connection", isType: true },
  ResourceClient: { entry: "client", file: "resource/types", isType: true },
  ResourceDefinition: { entry: "client", file: "resource/types", isType: true },
  createResourceClient: { entry: "client", file: "resource/resource-client" },
  defineResource: { entry: "client", file: "resource/definition" },
  InformerAccess: { entry: "informers", file: "informers/informer-access", isType: true },
  InformerFactory: { entry: "informers", file: "informers/informer-factory" },
  InformerOptions: { entry: "informers", file: "informers/shared-informer", isType: true },
  Lister: { entry: "informers", file: "informers/indexer", isType: true },
  ReflectorRuntime: { entry: "informers", file: "informers/reflector", isType: true },
  SharedInformer: { entry: "informers", file: "informers/shared-informer", isType: true },
  accessInformer: { entry: "informers", file: "informers/informer-access" },
  Fake: { entry: "fake", file: "fake/fake", isType: true },
  createFake: { entry: "fake", file: "fake/fake" },
  createFakeConnection: { entry: "fake", file: "fake/fake-connection" },
} as const satisfies Readonly<Record<string, RuntimeName>>;

/** Finds a name of the runtime where the option `runtime_import` says that it is. */
export type Runtime = (name: keyof typeof RUNTIME) => ImportSymbol;

/** `runtimeImport`: see PluginOptions. As the framework wants it, paths are relative to the output and end in .js. */
export function createRuntime(runtimeImport: string): Runtime {
  const isFolder = /^\.{1,2}(?:\/|$)/.test(runtimeImport);
  return (name) => {
    const { entry, file, isType = false }: RuntimeName = RUNTIME[name];
    return createImportSymbol(name, isFolder ? `${runtimeImport}/${file}.js` : `${runtimeImport}/${entry}`, isType);
  };
}
