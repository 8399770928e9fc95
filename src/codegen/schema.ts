import type { DescFile, DescService } from "@bufbuild/protobuf";
import type { GroupVersion } from "./names.ts";
import type { PluginOptions } from "./options.ts";
import { judgeService, type ResourceService } from "./resource-service.ts";

/** The resources of one API group and version, in the order of their files and services. */
export interface ResourceGroup {
  readonly group: GroupVersion;
  readonly resources: readonly ResourceService[];
}

/** What the given files define. Throws one Error with a line for each thing that is wrong. Pure. */
export function readGroups(files: readonly DescFile[], options: PluginOptions): readonly ResourceGroup[] {
  const services = files.flatMap((file) => file.services);
  const chosen = options.services.length === 0 ? services : services.filter(({ typeName }) => isNamed(typeName));
  const problems = [...unknownServices(services, options)];
  const resources: ResourceService[] = [];
  for (const service of chosen) {
    const verdict = judgeService(service, { named: isNamed(service.typeName), plurals: options.plurals });
    if (verdict.kind === "resource") resources.push(verdict.resource);
    if (verdict.kind === "unsuitable") problems.push(...verdict.problems);
  }
  problems.push(...clashes(resources), ...unusedPlurals(services, options));
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return groupResources(resources);

  function isNamed(typeName: string): boolean {
    return options.services.includes(typeName);
  }
}

function groupResources(resources: readonly ResourceService[]): readonly ResourceGroup[] {
  const groups = new Map<string, ResourceService[]>();
  for (const resource of resources) {
    const { packageName } = resource.group;
    groups.set(packageName, [...(groups.get(packageName) ?? []), resource]);
  }
  return [...groups.values()].flatMap((members) => {
    const [first] = members;
    return first === undefined ? [] : [{ group: first.group, resources: members }];
  });
}

function* unknownServices(services: readonly DescService[], options: PluginOptions): Generator<string> {
  const known = services.map(({ typeName }) => typeName);
  for (const name of options.services) {
    if (!known.includes(name)) yield `${name}: there is no such service; there are ${known.join(", ") || "none"}`;
  }
}

function* unusedPlurals(services: readonly DescService[], options: PluginOptions): Generator<string> {
  for (const kind of options.plurals.keys()) {
    if (!services.some(({ name }) => name === `${kind}Service`)) yield `plural of ${kind}: there is no ${kind}Service`;
  }
}

/** Two packages of one group and version would have one accessor, and two kinds of one accessor one method. */
function* clashes(resources: readonly ResourceService[]): Generator<string> {
  const taken = new Map<string, ResourceService>();
  for (const resource of resources) {
    const { group, accessor, service } = resource;
    const ofGroup = taken.get(group.accessor);
    if (ofGroup !== undefined && ofGroup.group.packageName !== group.packageName) {
      yield `${service.typeName}: ${group.accessor}() is taken by the package ${ofGroup.group.packageName}`;
    }
    const method = `${group.accessor}().${accessor}()`;
    const ofKind = taken.get(method);
    if (ofKind !== undefined) yield `${service.typeName}: ${method} is taken by ${ofKind.service.typeName}`;
    taken.set(group.accessor, ofGroup ?? resource).set(method, ofKind ?? resource);
  }
}
