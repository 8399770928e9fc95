/**
 * Makes the deb and the rpm with nfpm: in dist/packages of the binary that is there, or with --arch=arm64 or
 * --arch=amd64 in a folder of its own below it, of one for that machine. With --version=0.0.1 they say so, and are in a
 * folder of that name: an upgrade is tried with them.
 */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import packageJson from "../package.json" with { type: "json" };
import { archOf, isForeign } from "./image/arch.ts";
import { putBinary } from "./image/binary.ts";

const FOLDER = resolve("dist/packages");

const { values } = parseArgs({
  options: { arch: { type: "string", default: "" }, version: { type: "string", default: packageJson.version } },
});
const arch = archOf(values.arch);
if (Bun.which("nfpm") === null) {
  console.error("package: nfpm is missing; it is made from its Go module, which takes Go");
  process.exit(1);
}
const output = join(
  FOLDER,
  isForeign(arch) ? arch.image : "",
  values.version === packageJson.version ? "" : values.version,
);
mkdirSync(output, { recursive: true });
const stage = mkdtempSync(resolve("dist/tmp.package-"));
try {
  // What packaging/nfpm.yaml names by its path.
  cpSync("packaging", join(stage, "packaging"), { recursive: true });
  for (const name of ["LICENSE", "README.md"]) copyFileSync(name, join(stage, name));
  putBinary(arch, join(stage, "dist/device-api-server"));
  for (const packager of ["deb", "rpm"]) console.log(make(packager));
} finally {
  rmSync(stage, { recursive: true, force: true });
}

/** What nfpm says last: the path of the package. */
function make(packager: string): string {
  const done = Bun.spawnSync(["nfpm", "package", "-f", "packaging/nfpm.yaml", "-p", packager, "-t", `${output}/`], {
    cwd: stage,
    env: { ...process.env, PACKAGE_ARCH: arch.image, PACKAGE_VERSION: values.version },
    stderr: "inherit",
  });
  if (!done.success) throw new Error(`nfpm made no ${packager}`);
  return done.stdout.toString().trim().split("\n").at(-1) ?? "";
}
