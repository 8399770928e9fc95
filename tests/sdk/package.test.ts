import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { findImports } from "../../scripts/lint/imports.ts";
import { SDK_ENTRIES } from "../../scripts/sdk/manifest.ts";
import { spawnBinary } from "../support/binary.ts";
import { guideInstalls, packageOf } from "../support/guide-installs.ts";
import { type PackageRegistry, startPackageRegistry } from "../support/package-registry.ts";

/** The npm package as its users have it: packed, installed into an empty project, on Node and on Bun. */

const ROOT = join(import.meta.dir, "../..");
/** Not where `just sdk` has what may be published. */
const SDK = join(ROOT, `dist/tmp.sdk-test.${process.pid}`);
const MODULES = join(ROOT, "node_modules");
let folder: string;
let registry: PackageRegistry;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sdk-package-"));
  const repository = "--repository=https://example.invalid/sdk.git";
  await run(ROOT, [process.execPath, "scripts/sdk.ts", repository, `--out=${SDK}`]);
  await run(SDK, ["npm", "pack", "--pack-destination", folder]);
  registry = startPackageRegistry(MODULES, join(folder, `${manifest().name}-${manifest().version}.tgz`), manifest());
});

afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  for (const place of [folder, SDK]) rmSync(place, { recursive: true, force: true });
});

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

const manifest = (): Manifest => JSON.parse(readFileSync(join(SDK, "package.json"), "utf8")) as Manifest;

/** Settings of the machine's user do not count, nor does a proxy: the registry is in this process. */
const ENV = {
  PATH: process.env["PATH"] ?? "",
  NO_PROXY: "127.0.0.1",
  npm_config_loglevel: "error",
  npm_config_update_notifier: "false",
};

/** What it wrote to its output; fails where it ends with an error or says anything on stderr, if it is not npm. */
async function run(cwd: string, command: readonly string[], env = {}): Promise<string> {
  const { code, stdout, stderr } = await outcome(cwd, command, env);
  // What npm has to tell of itself and of others, each version of it has to tell anew.
  const said = command[0] === "npm" && code === 0 ? "" : stderr;
  expect([command[0], code, said]).toEqual([command[0], 0, ""]);
  return stdout;
}

async function outcome(cwd: string, command: readonly string[], env = {}) {
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...ENV, HOME: folder, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, stdout, stderr };
}

/** The source files that these lead to, themselves included; relative to src. */
function closureOf(entries: readonly string[]): ReadonlySet<string> {
  const found = new Set(entries);
  for (const path of found) {
    for (const { specifier } of findImports(readFileSync(join(ROOT, "src", path), "utf8"))) {
      if (specifier.startsWith(".")) found.add(join(dirname(path), specifier));
    }
  }
  return found;
}

test("the package has what its entry points lead to, with types, maps and sources, and nothing else", async () => {
  const entries = ["client/index.ts", ...SDK_ENTRIES.map((name) => `client/entry/${name}.ts`)];
  const modules = [...closureOf([...entries, "codegen/protoc-gen-device-client.ts"])];
  expect(modules.filter((path) => !/^(?:client|codegen|gen)\//.test(path)).sort()).toEqual([
    "base/assert.ts",
    "base/backoff.ts",
    "base/clock.ts",
    "base/log.ts",
    "base/natural-order.ts",
    "base/status-error.ts",
  ]);
  const expected = modules.flatMap((path) => {
    const compiled = [".js", ".js.map", ".d.ts", ".d.ts.map"].map((ending) => path.replace(/\.ts$/, ending));
    return [`src/${path}`, ...compiled.map((file) => `lib/${file}`)];
  });
  const listed = await run(folder, ["tar", "--list", "--file", `${manifest().name}-${manifest().version}.tgz`]);
  const packed = listed.trim().split("\n");
  const beside = ["LICENSE", "NOTICE", "README.md", "package.json"];
  expect(packed.map((path) => path.replace("package/", "")).sort()).toEqual([...beside, ...expected].sort());
});

test("every map leads to a source in the package", () => {
  const lib = join(SDK, "lib");
  const maps = readdirSync(lib, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".map"));
  expect(maps.length).toBeGreaterThan(100);
  for (const map of maps) {
    const { sources } = JSON.parse(readFileSync(join(lib, map), "utf8")) as { sources: readonly string[] };
    const source = join(lib, dirname(map), sources[0] ?? "");
    expect([map, sources.length, existsSync(source)]).toEqual([map, 1, true]);
    expect(relative(join(SDK, "src"), source)).toBe(map.replace(/(?:\.js|\.d\.ts)\.map$/, ".ts"));
  }
});

test("its metadata is what a registry needs to show where it comes from", () => {
  expect(manifest()).toMatchObject({
    license: "Apache-2.0",
    repository: { type: "git", url: "https://example.invalid/sdk.git" },
    publishConfig: { access: "public", provenance: true },
    engines: { node: ">=20.9" },
  });
  expect(Object.keys(manifest().dependencies)).toEqual(["@bufbuild/protobuf", "@grpc/grpc-js"]);
});

/** As the guide says, and what it says that types need. */
const WANTED = [...guideInstalls("README.md"), "@types/node"];
const INSTALL: Readonly<Record<string, () => readonly string[]>> = {
  Node: () => ["npm", "install", "--registry", registry.url, "--no-audit", "--ignore-scripts", ...WANTED],
  Bun: () => [process.execPath, "add", "--silent", "--registry", registry.url, "--ignore-scripts", ...WANTED],
};

const TSCONFIG = {
  compilerOptions: {
    target: "ES2022",
    module: "NodeNext",
    lib: ["ES2022"],
    types: ["node"],
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noPropertyAccessFromIndexSignature: true,
    skipLibCheck: false,
  },
};

/** The guides' pieces of code, each a program that has to type-check; by the file that it becomes. */
function* snippets(): Generator<[file: string, text: string]> {
  for (const guide of ["docs/sdk/README.md", "packaging/sdk/README.md"]) {
    const found = readFileSync(join(ROOT, guide), "utf8").matchAll(/^```ts\n(.*?)^```$/gms);
    for (const { 1: text = "", index } of found) yield [`${guide.replaceAll(/\W/g, "-")}-${index}.ts`, text];
  }
}

test("the guides say to install what their own pieces of code import", () => {
  const imported = ["README.md", "testing.md", "generator.md"].flatMap((guide) => {
    const text = readFileSync(join(ROOT, "docs/sdk", guide), "utf8");
    const code = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, piece = ""]) => piece);
    return code.flatMap((piece) => findImports(piece).map(({ specifier }) => packageOf(specifier)));
  });
  expect([...new Set(imported)].sort()).toEqual([...guideInstalls("README.md")].sort());
});

const PRINTED = `\
one module behind both entry points: true
list: gpu-0 gpu-1
informer: gpu-0 gpu-1
fake server: gpu-9
error: NOT_FOUND of nvidia.device.v1alpha1.GpuService/GetGpu
gen: nvidia.device.v1alpha1.GetGpuResponse
`;

test.each([
  ["Node", "node"],
  ["Bun", process.execPath],
])(
  "installed for %s in an empty project, it type-checks strictly and every entry point works",
  async (name, runtime) => {
    const project = join(folder, name);
    mkdirSync(project);
    await Bun.write(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
    await run(project, INSTALL[name]?.() ?? []);
    cpSync(join(import.meta.dir, "consumer/main.ts"), join(project, "main.ts"));
    await Bun.write(join(project, "tsconfig.json"), JSON.stringify(TSCONFIG));
    for (const [file, text] of snippets()) await Bun.write(join(project, file), text);
    expect([...snippets()].length).toBe(4);

    const { stdout } = await outcome(project, [join(MODULES, ".bin/tsc")]);
    // Node's own types do not stand exactOptionalPropertyTypes; it is ours and the program's that have to.
    const faults = stdout.split("\n").filter((line) => /^\S+\(\d/.test(line));
    expect(faults.filter((line) => !line.startsWith("node_modules/@types/node/"))).toEqual([]);

    await using binary = await spawnBinary(["--simulate=2"]);
    const env = { NVIDIA_DEVICE_API_TARGET: binary.unixTarget };
    expect(await run(project, [runtime, "main.js"], env)).toBe(PRINTED);
    await generatesOn(project, runtime);
  },
);

/** A compiler hands the plugin its request, here an empty one. */
async function generatesOn(project: string, runtime: string): Promise<void> {
  const program = "node_modules/.bin/protoc-gen-device-client";
  // As a compiler starts it, by its first line; that names Node.
  const plugin = runtime === "node" ? [program] : [runtime, program];
  const { code, stderr } = await outcome(project, plugin);
  expect([code, stderr]).toEqual([1, expect.stringContaining("npm install --save-dev @bufbuild/protoplugin\n")]);
  symlinkSync(join(MODULES, "@bufbuild/protoplugin"), join(project, "node_modules/@bufbuild/protoplugin"));
  // That it supports optional fields is all there is to say.
  expect(await run(project, plugin)).not.toBe("");
}
