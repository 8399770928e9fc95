import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The packages for the other architecture: tests/packages installs those for this one. */

const root = join(import.meta.dir, "../..");
const TOOLS = ["nfpm", "dpkg-deb", "rpm"];
const canRun = TOOLS.every((tool) => Bun.which(tool) !== null);
const OTHER = process.arch === "arm64" ? "amd64" : "arm64";
/** By the ELF header. */
const MACHINE = { amd64: 62, arm64: 183 }[OTHER];
const RPM_ARCH = { amd64: "x86_64", arm64: "aarch64" }[OTHER];

function run(...command: readonly string[]): string {
  const done = Bun.spawnSync([...command], { cwd: root, stdout: "pipe", stderr: "pipe" });
  if (!done.success) throw new Error(`${command.join(" ")}: ${done.stdout}${done.stderr}`);
  return done.stdout.toString().trim();
}

describe.skipIf(!canRun)(`packages for another machine (needs ${TOOLS.join(", ")})`, () => {
  test("are for its architecture, with its binary", () => {
    const made = run(process.execPath, "scripts/package.ts", `--arch=${OTHER}`);
    const [deb = "", rpm = ""] = made.split("\n").map((line) => line.replace(/^.*: /, ""));
    expect(deb).toContain(`/${OTHER}/device-api-server`);
    expect(run("dpkg-deb", "--field", deb, "Architecture")).toBe(OTHER);
    expect(run("rpm", "--query", "--package", "--queryformat=%{ARCH}", rpm)).toBe(RPM_ARCH);
    const folder = mkdtempSync(join(tmpdir(), "das-deb-"));
    try {
      run("dpkg-deb", "--extract", deb, folder);
      expect(readFileSync(join(folder, "usr/bin/device-api-server")).readUInt16LE(18)).toBe(MACHINE);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
