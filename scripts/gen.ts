/** Writes the generated code; with --check only compares. Works without a network. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join, relative } from "node:path";

/** Folders and files that are written as a whole, below the output folder at the paths that they have here. */
interface Generated {
  readonly paths: readonly string[];
  readonly source: string;
  readonly command: (output: string) => readonly string[];
  readonly cwd: string;
}

const BUF_GENERATE = [join(process.cwd(), "node_modules/.bin/buf"), "generate"];

const GENERATED: readonly Generated[] = [
  {
    paths: ["src/gen"],
    source: "proto/",
    // The template names src/gen; the output folder is relative to --output.
    command: (output) => [...BUF_GENERATE, "--output", output],
    cwd: ".",
  },
  {
    paths: ["src/client/device", "src/client/informer-factory.gen.ts"],
    source: "proto/device with src/codegen",
    command: (output) => [...BUF_GENERATE, "--template", "buf.gen.client.yaml", "--output", output],
    cwd: ".",
  },
  {
    paths: ["docs/sdk/api-report.md"],
    source: "src/client",
    command: (output) => ["bun", "scripts/api-report.ts", output],
    cwd: ".",
  },
  {
    paths: ["src/native/nvml-abi.gen.ts"],
    source: "zig/src",
    command: (output) => ["zig", "build", "abi-view", "--prefix", join(relative("zig", output), "src/native")],
    cwd: "zig",
  },
];

// On the same file system as its place, so that a rename can put it there.
mkdirSync("dist", { recursive: true });
const fresh = mkdtempSync(join("dist", "tmp.gen."));
try {
  const step = process.argv.includes("--check") ? compare : replace;
  const done = GENERATED.map((generated) => generate(generated, fresh) && step(generated, fresh));
  process.exitCode = done.includes(false) ? 1 : 0;
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

function generate({ paths, command, cwd }: Generated, output: string): boolean {
  const done = Bun.spawnSync([...command(output)], { cwd, stdout: "pipe", stderr: "pipe" });
  if (!done.success) console.error(`gen: ${paths.join(", ")}: not made\n${done.stdout}${done.stderr}`.trim());
  return done.success;
}

function replace({ paths }: Generated, output: string): boolean {
  for (const path of paths) {
    rmSync(path, { recursive: true, force: true });
    renameSync(join(output, path), path);
  }
  return true;
}

function compare({ paths, source }: Generated, output: string): boolean {
  return paths.map((path) => isSame(path, source, output)).every(Boolean);
}

function isSame(path: string, source: string, output: string): boolean {
  const wanted = read(join(output, path));
  const found = read(path);
  const differing = [...new Set([...wanted.keys(), ...found.keys()])].filter((n) => wanted.get(n) !== found.get(n));
  if (differing.length === 0) return true;
  console.error(`${path} is not what ${source} gives: run ./dev gen and commit the result. Differing:`);
  for (const name of differing.sort()) console.error(`  ${join(path, name)}`);
  return false;
}

/** Contents by path below the place; a file that stands alone has the path "". */
function read(place: string): Map<string, string> {
  if (statSync(place).isFile()) return new Map([["", readFileSync(place, "utf8")]]);
  const files = readdirSync(place, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [path.slice(place.length + 1), readFileSync(path, "utf8")]));
}
