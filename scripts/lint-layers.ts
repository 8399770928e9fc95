/**
 * The rules of the house that no other linter knows: layers, time and chance, lengths, words that do not belong.
 * They are a table in lint/rules.ts. Reads the files that git knows or would add.
 */
import { existsSync, readFileSync } from "node:fs";
import { checkFile, type Finding } from "./lint/rules.ts";

if (import.meta.main) process.exit(main());

function main(): number {
  const listed = Bun.spawnSync(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  if (!listed.success) {
    console.error(`lint: git ls-files failed: ${listed.stderr.toString().trim()}`);
    return 1;
  }
  const paths = listed.stdout.toString().split("\0").filter(Boolean);
  const findings = paths.flatMap(checkPath);
  for (const { path, line, message } of findings) console.error(`${path}:${line}: ${message}`);
  if (findings.length === 0) console.log(`${paths.length} files keep the rules`);
  return findings.length === 0 ? 0 : 1;
}

function checkPath(path: string): Finding[] {
  // A file that git knows may be deleted in the working tree.
  if (!existsSync(path)) return [];
  const text = readFileSync(path, "utf8");
  return text.includes("\0") ? [] : checkFile({ path, text });
}
