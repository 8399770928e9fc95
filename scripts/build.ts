/**
 * Makes dist/native (the Zig shim), dist/page (the page for people) and dist/device-api-server, which embeds both; each
 * only if what it is made of has changed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { say, seconds } from "./process.ts";

const BINARY = "dist/device-api-server";
const NATIVE = "dist/native";
const PAGE = "dist/page";

/** The flags of reliability.md's P14: nothing in the working directory may change what the binary does. */
export const COMPILE = [
  "--compile",
  "--minify",
  "--bytecode",
  "--format=esm",
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-tsconfig",
  "--no-compile-autoload-package-json",
  // Else the folder of a library that asks for its own, and with it the checkout's path, is in the binary.
  '--define=__dirname="/"',
];

const TOOLCHAIN = ["tools/requirements.txt", "tools/bun/package-lock.json", "scripts/build.ts"];

interface Target {
  readonly title: string;
  readonly inputs: readonly string[];
  /** What must be there for the stamp to count. */
  readonly product: string;
  readonly stamp: string;
  readonly make: () => void;
}

const SHIM_TARGET: Target = {
  title: "the Zig shim",
  inputs: ["zig", ...TOOLCHAIN],
  product: NATIVE,
  stamp: "dist/.native.stamp",
  make: () => {
    const fresh = `dist/tmp.native.${process.pid}`;
    must(["zig", "build", "--prefix", `../${fresh}`], "zig");
    rmSync(NATIVE, { recursive: true, force: true });
    renameSync(fresh, NATIVE);
  },
};

/** One document with its style and its script inside. */
const PAGE_TARGET: Target = {
  title: "the page",
  inputs: ["src/page", "src/base", ...TOOLCHAIN],
  product: PAGE,
  stamp: "dist/.page.stamp",
  make: () => {
    const fresh = `dist/tmp.page.${process.pid}`;
    must(["bun", "build", "--compile", "--target=browser", "--minify", "src/page/index.html", "--outdir", fresh]);
    rmSync(PAGE, { recursive: true, force: true });
    renameSync(fresh, PAGE);
  },
};

const SERVER_TARGET: Target = {
  title: BINARY,
  inputs: ["src", "package.json", "bun.lock", "tsconfig.json", ...SHIM_TARGET.inputs],
  product: BINARY,
  stamp: "dist/.server.stamp",
  make: () => {
    // The file's name is in the binary, so that is always the same; the folder's is not.
    const folder = `dist/tmp.server.${process.pid}`;
    const fresh = join(folder, basename(BINARY));
    must(["bun", "build", ...COMPILE, "src/main.ts", "--outfile", fresh]);
    renameSync(fresh, BINARY);
    rmSync(folder, { recursive: true });
  },
};

if (import.meta.main) {
  build(SHIM_TARGET);
  build(PAGE_TARGET);
  if (!process.argv.includes("--embedded-only")) build(SERVER_TARGET);
}

function build(target: Target): void {
  const wanted = hashOf(target.inputs);
  if (existsSync(target.product) && existsSync(target.stamp) && readFileSync(target.stamp, "utf8") === wanted) return;
  const started = performance.now();
  mkdirSync("dist", { recursive: true });
  say(`building ${target.title} ...`);
  target.make();
  writeFileSync(target.stamp, wanted);
  say(`built ${target.title} in ${seconds(performance.now() - started)}`);
}

/** Over the contents: a checkout that only touches files builds nothing. */
function hashOf(inputs: readonly string[]): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const path of inputs.flatMap(filesUnder).sort()) {
    const content = readFileSync(path);
    hasher.update(`${path}\0${content.length}\0`);
    hasher.update(content);
  }
  return `${hasher.digest("hex")} ${Bun.version} ${process.arch}\n`;
}

function filesUnder(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !/\.test\.ts$|^src\/testing\/|^zig\/(\.zig-cache|zig-out)\//.test(file));
}

/** Shows the command's own output; ends this process with its status if it fails. */
function must(command: string[], cwd?: string): void {
  const done = Bun.spawnSync(command, { stdout: "pipe", stderr: "pipe", ...(cwd === undefined ? {} : { cwd }) });
  if (done.success) return;
  console.error(`${done.stdout}${done.stderr}`.trim());
  console.error(`build failed: ${command.join(" ")}`);
  for (const left of readdirSync("dist").filter((name) => name.startsWith("tmp."))) {
    rmSync(join("dist", left), { recursive: true, force: true });
  }
  process.exit(1);
}
