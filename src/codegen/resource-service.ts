import type { DescService } from "@bufbuild/protobuf";
import type { Report } from "./fields.ts";
import { accessorOf, type GroupVersion, groupVersionOf, pluralsOf } from "./names.ts";
import { findMethods, type ResourceMethods, readMethods } from "./resource-methods.ts";

/** A service by which objects of one kind are read and followed. */
export interface ResourceService extends ResourceMethods {
  /** "Gpu" */
  readonly kind: string;
  /** "gpus" */
  readonly accessor: string;
  readonly group: GroupVersion;
  readonly service: DescService;
}

export type Verdict =
  | { readonly kind: "resource"; readonly resource: ResourceService }
  /** A service of another sort, which is left alone. */
  | { readonly kind: "other" }
  | { readonly kind: "unsuitable"; readonly problems: readonly string[] };

export interface Expectations {
  /** The user asked for this service by name, so it may not be of another sort. */
  readonly named: boolean;
  readonly plurals: ReadonlyMap<string, string>;
}

/**
 * A service named <Kind>Service with at least one of the methods Get<Kind>, List<Kinds> and Watch<Kinds> is meant as a
 * resource service, and then must have all three in the shapes of proto/device/v1alpha1/gpu.proto. Other methods may
 * stand beside them. Pure.
 */
export function judgeService(service: DescService, { named, plurals }: Expectations): Verdict {
  const problems: string[] = [];
  const report: Report = (problem) => problems.push(`${service.typeName}: ${problem}`);
  const kind = /^([A-Z]\w*)Service$/.exec(service.name)?.[1];
  if (kind === undefined) {
    if (!named) return { kind: "other" };
    report("a resource service is named <Kind>Service, as in NicService");
    return { kind: "unsuitable", problems };
  }
  const own = plurals.get(kind);
  const found = findMethods(service, kind, own === undefined ? pluralsOf(kind) : [own]);
  if (!named && (found.get ?? found.list ?? found.watch) === undefined) return { kind: "other" };
  const group = groupVersionOf(service.file.proto.package);
  if (group === undefined) {
    const given = JSON.stringify(service.file.proto.package);
    report(`the package has to end in a group and a version, as in acme.device.v1alpha1; it is ${given}`);
  }
  const methods = readMethods(found, kind, report);
  if (group === undefined || methods === undefined || problems.length > 0) return { kind: "unsuitable", problems };
  const accessor = accessorOf(kind, found.plural);
  return { kind: "resource", resource: { kind, accessor, group, service, ...methods } };
}
