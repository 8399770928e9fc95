/** An architecture under the names that each tool has for it. */
export interface Arch {
  /** Of images. */
  readonly image: "amd64" | "arm64";
  /** Of bun's packages, and of its --target. */
  readonly bun: "x64" | "aarch64";
  readonly bunTarget: "bun-linux-x64" | "bun-linux-arm64";
  readonly zig: "x86_64" | "aarch64";
  /** Of Node.js and npm. */
  readonly node: "x64" | "arm64";
}

const ARCHES: readonly Arch[] = [
  { image: "amd64", bun: "x64", bunTarget: "bun-linux-x64", zig: "x86_64", node: "x64" },
  { image: "arm64", bun: "aarch64", bunTarget: "bun-linux-arm64", zig: "aarch64", node: "arm64" },
];

/** By its name in images; empty for that of this machine. */
export function archOf(name: string): Arch {
  const found = ARCHES.find((arch) => (name === "" ? arch.node === process.arch : arch.image === name));
  if (found === undefined) throw new Error(`--arch: ${name} is none of ${ARCHES.map(({ image }) => image).join(", ")}`);
  return found;
}

export function isForeign(arch: Arch): boolean {
  return arch.node !== process.arch;
}
