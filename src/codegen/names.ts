/** How kinds, plurals and packages turn into the words of the generated code. Pure. */

const VERSION = /^v[1-9]\d*(?:(?:alpha|beta)[1-9]\d*)?$/;

/** What the plurals of a kind may be in method names; others are named by the option `plural`. */
export function pluralsOf(kind: string): readonly string[] {
  if (/[^aeiou]y$/i.test(kind)) return [`${kind.slice(0, -1)}ies`];
  if (/(?:s|x|z|ch|sh)$/i.test(kind)) return [`${kind}es`];
  return [`${kind}s`];
}

/** Gpu: gpu, NVSwitch: nvSwitch, GPU: gpu. */
export function lowerCamel(kind: string): string {
  return kind.replace(/^(?:[A-Z]+(?=[A-Z][a-z])|[A-Z]+$|[A-Z])/, (head) => head.toLowerCase());
}

/** The plural in lower camel case, as the kind spells it: GPU and GPUs: gpus. */
export function accessorOf(kind: string, plural: string): string {
  return plural.startsWith(kind) ? lowerCamel(kind) + plural.slice(kind.length) : lowerCamel(plural);
}

/** Gpu: gpu, NVSwitch: nv-switch. */
export function kebab(kind: string): string {
  return kind
    .replace(/([a-z\d])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, (_, end = "", start = "", acronym = "") =>
      acronym === "" ? `${end}-${start}` : `${acronym}-`,
    )
    .toLowerCase();
}

/** The API group and version that a package names with its last two words. */
export interface GroupVersion {
  /** "nvidia.device.v1alpha1" */
  readonly packageName: string;
  /** "deviceV1alpha1" */
  readonly accessor: string;
  /** "DeviceV1alpha1" */
  readonly typePrefix: string;
}

/** Undefined where the package does not end in a group and a version. */
export function groupVersionOf(packageName: string): GroupVersion | undefined {
  const [group, version] = packageName.split(".").slice(-2);
  if (group === undefined || version === undefined || !VERSION.test(version)) return undefined;
  const words = group.split("_").filter((word) => word !== "");
  const upper = [...words, version].map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  return { packageName, accessor: lowerCamel(upper), typePrefix: upper };
}

/** In the folder of the .proto file, where protoc-gen-es writes too: besideProto("a/v1/b", "c"): "a/v1/c.gen". */
export function besideProto(protoFile: string, name: string): string {
  return `${protoFile.slice(0, protoFile.lastIndexOf("/") + 1)}${name}.gen`;
}
