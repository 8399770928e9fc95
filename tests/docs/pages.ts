import { readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

/** The pages of this repository, by path from its root; those that are new and not ignored among them. */
export function markdownPages(): readonly string[] {
  const listed = Bun.spawnSync(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"], {
    cwd: ROOT,
  });
  if (!listed.success) throw new Error(`git ls-files failed: ${listed.stderr}`);
  return listed.stdout
    .toString()
    .split("\0")
    .filter((path) => path !== "")
    .sort();
}

export function readPage(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}
