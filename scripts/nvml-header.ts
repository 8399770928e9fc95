/** Installs the pinned nvml.h into .tools/nvml-dev, for the test that compares zig/src/nvml.zig with it. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const PINNED = "tools/nvml-dev.txt";
const PLACE = resolve(".tools/nvml-dev");

/** Against a network that swallows packets: the test is then skipped. */
const LIMIT_MS = 60_000;

/** Where nvml.h is, or why it is not there. */
export type Header = { readonly folder: string } | { readonly missing: string };

export function installHeader(): Header {
  const wanted = createHash("sha256").update(readFileSync(PINNED)).digest("hex");
  const stamp = join(PLACE, ".stamp");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
    const fresh = resolve(`.tools/tmp.nvml-dev.${process.pid}`);
    const failure = fetchInto(fresh);
    if (failure !== undefined) {
      rmSync(fresh, { recursive: true, force: true });
      return { missing: failure };
    }
    writeFileSync(join(fresh, ".stamp"), wanted);
    rmSync(PLACE, { recursive: true, force: true });
    renameSync(fresh, PLACE);
  }
  const [header] = new Bun.Glob("nvidia/**/nvml.h").scanSync(PLACE);
  return header === undefined ? { missing: `no nvml.h in ${PLACE}` } : { folder: join(PLACE, header, "..") };
}

function fetchInto(folder: string): string | undefined {
  if (Bun.which("python3") === null) return "no python3";
  const pip = ["python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
  const only = ["--no-compile", "--no-deps", "--only-binary=:all:", "--require-hashes", "--retries=1"];
  const done = Bun.spawnSync([...pip, ...only, "--target", folder, "-r", PINNED], {
    env: { ...process.env, PIP_REQUIRE_VIRTUALENV: "0", PIP_USER: "0" },
    stderr: "pipe",
    timeout: LIMIT_MS,
  });
  if (done.success) return undefined;
  return `pip could not fetch it: ${done.stderr.toString().trim().split("\n").at(-1) ?? done.exitCode}`;
}
