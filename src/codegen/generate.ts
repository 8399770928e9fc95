import type { DescFile } from "@bufbuild/protobuf";
import { emitGroupClient, emitGroupInformers } from "./emit-group.ts";
import { emitResource } from "./emit-resource.ts";
import { emitTopLevel } from "./emit-top-level.ts";
import type { OutputFile } from "./lines.ts";
import type { PluginOptions } from "./options.ts";
import { createRuntime } from "./runtime.ts";
import { readGroups } from "./schema.ts";

/**
 * The files for every resource service in the given ones; none where there is no such service. Throws one Error that
 * names each service, method and field that is not as it has to be. Pure.
 */
export function generate(files: readonly DescFile[], options: PluginOptions): readonly OutputFile[] {
  const groups = readGroups(files, options);
  if (groups.length === 0) return [];
  const runtime = createRuntime(options.runtimeImport);
  const outputs = [
    ...groups.flatMap(({ resources }) => resources.map((resource) => emitResource(resource, runtime))),
    ...groups.map((members) => emitGroupClient(members, runtime)),
    ...groups.map((members) => emitGroupInformers(members, runtime)),
    ...options.topLevel.map((name) => emitTopLevel(name, groups, runtime)),
  ];
  checkPaths(outputs);
  return outputs;
}

/** Two packages in one folder, or a kind named Client or Informers, would overwrite each other's files. */
function checkPaths(outputs: readonly OutputFile[]): void {
  const paths = outputs.map(({ path }) => path);
  const twice = paths.find((path, i) => paths.indexOf(path) < i);
  if (twice !== undefined) {
    throw new Error(
      `${twice} would be written twice: give each package a folder, and no kind the name of a group's file`,
    );
  }
}
