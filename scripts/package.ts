/** Makes dist/packages/*.deb and *.rpm of the binary that is there, with nfpm. */
import { mkdirSync } from "node:fs";
import packageJson from "../package.json" with { type: "json" };

const ARCH: Readonly<Partial<Record<NodeJS.Architecture, string>>> = { x64: "amd64", arm64: "arm64" };
const FOLDER = "dist/packages/";

const arch = ARCH[process.arch];
if (arch === undefined) throw new Error(`no packages for ${process.arch}`);
if (Bun.which("nfpm") === null) {
  console.error("package: nfpm is missing; it is made from its Go module, which takes Go");
  process.exit(1);
}
mkdirSync(FOLDER, { recursive: true });
for (const packager of ["deb", "rpm"]) {
  const done = Bun.spawnSync(["nfpm", "package", "-f", "packaging/nfpm.yaml", "-p", packager, "-t", FOLDER], {
    env: { ...process.env, PACKAGE_ARCH: arch, PACKAGE_VERSION: packageJson.version },
    stderr: "inherit",
  });
  if (!done.success) process.exit(1);
  console.log(done.stdout.toString().trim().split("\n").at(-1));
}
