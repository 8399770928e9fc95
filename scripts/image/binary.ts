/**
 * Puts the binary for an architecture into a file: `bun scripts/image/binary.ts --arch=arm64 --output=FILE`. For
 * another machine than this one it is made from a copy of the sources, with that machine's shim and runtime; npm
 * fetches the runtime, and the lock file says which bytes it must have.
 */
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { COMPILE } from "../build.ts";
import { say, seconds } from "../process.ts";
import { type Arch, archOf, isForeign } from "./arch.ts";
import { must } from "./tools.ts";

const HOST_BINARY = "dist/device-api-server";

if (import.meta.main) {
  const { arch, output } = parseArgs({
    options: { arch: { type: "string", default: "" }, output: { type: "string" } },
  }).values;
  if (output === undefined) throw new Error("--output is missing");
  putBinary(archOf(arch), output);
}

/** The host's own is taken as it lies in dist: `just build` makes it. */
export function putBinary(arch: Arch, output: string): void {
  mkdirSync(dirname(output), { recursive: true });
  if (isForeign(arch)) crossBuild(arch, resolve(output));
  else if (existsSync(HOST_BINARY)) copyFileSync(HOST_BINARY, output);
  else throw new Error(`${HOST_BINARY} is missing: run "just build" first`);
}

function crossBuild(arch: Arch, output: string): void {
  const started = performance.now();
  const runtime = fetchRuntime(arch);
  mkdirSync("dist", { recursive: true });
  const folder = mkdtempSync(resolve("dist/tmp.cross-"));
  try {
    // The sources name the shim and the page, which `just build` makes, by paths relative to themselves.
    for (const path of ["src", "dist/page"]) cpSync(path, join(folder, path), { recursive: true });
    for (const name of ["package.json", "tsconfig.json"]) copyFileSync(name, join(folder, name));
    symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
    must(["zig", "build", `-Darch=${arch.zig}`, "--prefix", join(folder, "dist/native")], "zig");
    const target = [`--target=${arch.bunTarget}`, `--compile-executable-path=${runtime}`];
    must(["bun", "build", ...COMPILE, ...target, "src/main.ts", "--outfile", output], folder);
    chmodSync(output, 0o755);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  say(`built the binary for ${arch.image} in ${seconds(performance.now() - started)}`);
}

function fetchRuntime(arch: Arch): string {
  const folder = resolve(`dist/image/runtime-${arch.image}-${Bun.version}`);
  const executable = join(folder, `node_modules/@oven/bun-linux-${arch.bun}/bin/bun`);
  if (existsSync(executable)) return executable;
  mkdirSync(folder, { recursive: true });
  for (const name of ["package.json", "package-lock.json"]) copyFileSync(join("tools/bun", name), join(folder, name));
  const platform = ["--os=linux", `--cpu=${arch.node}`, "--libc=glibc"];
  must(["npm", "ci", "--ignore-scripts", "--include=optional", "--no-audit", "--no-fund", ...platform], folder);
  if (!existsSync(executable)) throw new Error(`npm left out @oven/bun-linux-${arch.bun}`);
  return executable;
}
