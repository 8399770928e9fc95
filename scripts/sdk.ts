/**
 * Makes dist/sdk, the npm package of the SDK: `npm publish dist/sdk` is all that is left to do. Which repository it is
 * published from is known where that happens: --repository=URL. --out=FOLDER: another place in dist.
 */
import { cpSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { compileSdk, withFolder } from "./sdk/compile.ts";
import { sdkManifest } from "./sdk/manifest.ts";

const { repository, out = "dist/sdk" } = readArguments();
withFolder("sdk", (fresh) => {
  compileSdk(fresh);
  const manifest = sdkManifest(repository);
  writeFileSync(join(fresh, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  for (const name of ["LICENSE", "NOTICE", "packaging/sdk/README.md"]) cpSync(name, join(fresh, basename(name)));
  rmSync(out, { recursive: true, force: true });
  renameSync(fresh, out);
  console.log(`${out}: ${manifest.name} ${manifest.version}`);
});

function readArguments() {
  try {
    return parseArgs({ options: { repository: { type: "string" }, out: { type: "string" } } }).values;
  } catch (error) {
    console.error(`sdk: ${error instanceof Error ? error.message : error}; it takes --repository=URL and --out=FOLDER`);
    return process.exit(2);
  }
}
