import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/**
 * The suites and the Go client, made from the modules that go/go.mod names, once; and the Python client's packages. As
 * a program it makes them all, before the tests: it takes longer than a test may.
 */

const GO = join(import.meta.dir, "go");
const OUTPUT = resolve("dist/conformance");
const PACKAGES = [
  "connectrpc.com/conformance/cmd/connectconformance",
  "github.com/summerwind/h2spec/cmd/h2spec",
  "./client",
];
const REQUIREMENTS = join(import.meta.dir, "requirements.txt");

/** Why a test of the suites cannot run here; undefined where it can. */
export const missingGo: string | undefined = Bun.which("go") === null ? "there is no Go toolchain" : undefined;
export const missingPython: string | undefined = Bun.which("python3") === null ? "there is no python3" : undefined;

/** What to put behind the name of a test that is skipped for it. */
export function because(missing: string | undefined): string {
  return missing === undefined ? "" : `: ${missing}`;
}

/** The folder of the binaries `connectconformance`, `h2spec` and `client`. */
export function provideBinaries(): string {
  const bin = join(OUTPUT, "bin");
  const sources = ["go.mod", "go.sum", "client/main.go"].map((file) => readFileSync(join(GO, file)));
  once(bin, [...sources, run(["go", "env", "GOVERSION"])], () => {
    run(["go", "build", "-trimpath", "-ldflags=-s -w", "-o", `${bin}/`, ...PACKAGES], { CGO_ENABLED: "0" });
  });
  return bin;
}

/** A Python with the packages of requirements.txt. */
export function providePython(): string {
  const venv = join(OUTPUT, "venv");
  once(venv, [readFileSync(REQUIREMENTS)], () => {
    run(["python3", "-m", "venv", venv]);
    run([join(venv, "bin/pip"), "install", "--quiet", "--require-hashes", "--only-binary=:all:", "-r", REQUIREMENTS]);
  });
  return join(venv, "bin/python");
}

/** The sources of a module that go.mod names. */
export function moduleFolder(module: string): string {
  return run(["go", "list", "-m", "-f", "{{.Dir}}", module]).trim();
}

if (import.meta.main) {
  say("conformance suites", missingGo, provideBinaries);
  say("grpcio", missingPython, providePython);
}

function say(what: string, missing: string | undefined, provide: () => string): void {
  console.log(`${what}: ${missing === undefined ? `in ${provide()}` : `not made, ${missing}`}`);
}

/** Makes the folder where it was not made of the same things, and as a whole. */
function once(folder: string, madeOf: readonly (string | Uint8Array)[], make: () => void): void {
  const hash = createHash("sha256");
  for (const part of madeOf) hash.update(part);
  const key = hash.digest("hex");
  const stamp = `${folder}.made`;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === key) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  make();
  writeFileSync(stamp, key);
}

function run(command: readonly string[], env: Record<string, string> = {}): string {
  const done = Bun.spawnSync([...command], { cwd: GO, env: { ...process.env, ...env }, stderr: "pipe" });
  if (!done.success) throw new Error(`${command.slice(0, 3).join(" ")}: ${done.stderr.toString().trim()}`);
  return done.stdout.toString();
}
