/**
 * Makes .tools/bin/prometheus and .tools/bin/promtool out of the Debian package, for tests/alerts; says in one line
 * what it did. Where they are installed, those are taken. On other systems the tests that need them are skipped by
 * name.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { seconds } from "./process.ts";

const PROGRAMS = ["prometheus", "promtool"];
const BIN = resolve(".tools/bin");

console.log(`prometheus: ${provide()}`);

function provide(): string {
  if (PROGRAMS.every((name) => existsSync(join(BIN, name)))) return "is there";
  if (PROGRAMS.every((name) => Bun.which(name) !== null)) return "is installed";
  if (Bun.which("apt-get") === null || Bun.which("dpkg-deb") === null) return "not made, this is no Debian";
  const started = performance.now();
  mkdirSync(BIN, { recursive: true });
  const folder = mkdtempSync(join(BIN, ".prometheus-"));
  try {
    const failure = unpack(folder);
    if (failure !== undefined) return `not made: ${failure}`;
    for (const name of PROGRAMS) renameSync(join(folder, "usr/bin", name), join(BIN, name));
    return `unpacked in ${seconds(performance.now() - started)}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Nothing is installed, so that no service is started and no root is needed. Answers with what went wrong. */
function unpack(folder: string): string | undefined {
  const download = ["apt-get", "download", "prometheus"];
  let failure = failureOf(download, folder);
  // A fresh machine may have no list of packages; to fetch one takes root.
  if (failure !== undefined && failureOf(["apt-get", "update"], folder) === undefined) {
    failure = failureOf(download, folder);
  }
  if (failure !== undefined) return failure;
  const file = readdirSync(folder).find((name) => name.endsWith(".deb"));
  return file === undefined ? "apt-get has left no package" : failureOf(["dpkg-deb", "-x", file, "."], folder);
}

/** The last line of what a command that failed has written; undefined where it did not fail. */
function failureOf(command: string[], cwd: string): string | undefined {
  const done = Bun.spawnSync(command, { cwd, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  return done.success ? undefined : done.stderr.toString().trim().split("\n").at(-1) || `exit status ${done.exitCode}`;
}
