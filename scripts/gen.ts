/** Writes src/gen from proto/; with --check only compares. Works without a network. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const GENERATED = "src/gen";

// On the same file system as its place, so that a rename can put it there.
mkdirSync("dist", { recursive: true });
const fresh = mkdtempSync(join("dist", "tmp.gen."));
try {
  process.exitCode = generate(fresh) && (process.argv.includes("--check") ? compare(fresh) : replace(fresh)) ? 0 : 1;
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

function generate(output: string): boolean {
  // The template names src/gen; the output folder is relative to --output.
  const done = Bun.spawnSync(["node_modules/.bin/buf", "generate", "--output", output], { stderr: "pipe" });
  if (!done.success) console.error(`gen: buf generate failed\n${done.stderr}`.trim());
  return done.success;
}

function replace(output: string): boolean {
  rmSync(GENERATED, { recursive: true, force: true });
  renameSync(join(output, GENERATED), GENERATED);
  return true;
}

function compare(output: string): boolean {
  const wanted = read(join(output, GENERATED));
  const found = read(GENERATED);
  const differing = [...new Set([...wanted.keys(), ...found.keys()])].filter((n) => wanted.get(n) !== found.get(n));
  if (differing.length === 0) return true;
  console.error(`${GENERATED} is not what proto/ gives: run ./dev gen and commit the result. Differing:`);
  for (const name of differing.sort()) console.error(`  ${GENERATED}/${name}`);
  return false;
}

function read(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, "utf8")]));
}
