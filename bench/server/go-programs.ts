/** The programs of bench/go, built into dist/bench; their stubs are made from proto/ before, where that has changed. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { say, seconds } from "../../scripts/process.ts";

const SOURCES = resolve(import.meta.dir, "../go");
const ROOT = resolve(import.meta.dir, "../..");
const BUILT = join(ROOT, "dist/bench");
const STAMP = join(BUILT, ".stubs.stamp");

export interface GoPrograms {
  readonly load: string;
  readonly reference: string;
}

/** Throws where there is no Go, or where it cannot have its modules. */
export function buildGoPrograms(): GoPrograms {
  if (Bun.which("go") === null) throw new Error("there is no Go toolchain, and the load and the reference are in Go");
  mkdirSync(BUILT, { recursive: true });
  const started = performance.now();
  const stubs = hashOf([
    ...["gpu", "provider"].map((name) => join(ROOT, `proto/device/v1alpha1/${name}.proto`)),
    ...["buf.gen.yaml", "go.mod"].map((name) => join(SOURCES, name)),
  ]);
  const present = existsSync(join(SOURCES, "device")) && existsSync(STAMP) && readFileSync(STAMP, "utf8") === stubs;
  if (!present) {
    must([join(ROOT, "node_modules/.bin/buf"), "generate"]);
    writeFileSync(STAMP, stubs);
  }
  must(["go", "build", "-trimpath", "-o", `${BUILT}/`, "./load", "./reference"]);
  say(`built the load and the reference in ${seconds(performance.now() - started)}`);
  return { load: join(BUILT, "load"), reference: join(BUILT, "reference") };
}

function must(command: readonly string[]): void {
  const env = { ...process.env, CGO_ENABLED: "0" };
  const done = Bun.spawnSync([...command], { cwd: SOURCES, env, stdout: "pipe", stderr: "pipe" });
  if (!done.success) throw new Error(`${command.join(" ")}: ${done.stdout}${done.stderr}`.trim());
}

function hashOf(paths: readonly string[]): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const path of paths) hasher.update(readFileSync(path));
  return hasher.digest("hex");
}
