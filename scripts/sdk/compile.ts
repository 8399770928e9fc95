import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

/** Of src; what of it the package does not need is left out once it is known. */
const FOLDERS = ["base", "client", "codegen", "gen"];
/** What npm links into a project's node_modules/.bin; relative to lib. */
export const PLUGIN = "codegen/protoc-gen-device-client.js";

/**
 * Makes `folder`/src and, from it, `folder`/lib: the maps then lead from one to the other wherever the package is
 * installed. The folder has to lie below the root, where the compiler finds the packages. Throws where the sources are
 * faulty.
 */
export function compileSdk(folder: string): void {
  for (const name of FOLDERS) {
    cpSync(join("src", name), join(folder, "src", name), { recursive: true, filter: (path) => !isTest(path) });
  }
  const config = join(folder, "tsconfig.json");
  const compilerOptions = { rootDir: "src", outDir: "lib" };
  const include = ["src/client", "src/codegen"];
  const base = relative(folder, resolve("tsconfig.sdk.json"));
  writeFileSync(config, JSON.stringify({ extends: base, compilerOptions, include, exclude: [] }));
  const tsc = Bun.spawnSync(["node_modules/.bin/tsc", "--project", config]);
  if (!tsc.success) throw new Error(`the SDK does not compile:\n${tsc.stdout}${tsc.stderr}`.trim());
  rmSync(config);
  removeUnused(join(folder, "src"), join(folder, "lib"));
  chmodSync(join(folder, "lib", PLUGIN), 0o755);
}

const isTest = (path: string): boolean => path.endsWith(".test.ts");

/** Sources that nothing imports were not compiled. */
function removeUnused(src: string, lib: string): void {
  for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    if (!existsSync(join(lib, relative(src, path).replace(/\.ts$/, ".js")))) rmSync(path);
  }
}

/** Runs `use` with an empty folder in dist, which is gone afterwards. */
export function withFolder<T>(name: string, use: (folder: string) => T): T {
  const folder = join("dist", `tmp.${name}.${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
