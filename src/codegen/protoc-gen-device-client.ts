#!/usr/bin/env node
const FRAMEWORK = "@bufbuild/protoplugin";

await main();

/** The framework is an optional peer of the package, which only who generates code needs: it may be missing. */
async function main(): Promise<void> {
  try {
    const { runNodeJs } = await import("@bufbuild/protoplugin");
    const { deviceClientPlugin } = await import("./plugin.ts");
    runNodeJs(deviceClientPlugin);
  } catch (error) {
    if (!isMissing(error)) throw error;
    const remedy = `npm install --save-dev ${FRAMEWORK}`;
    process.stderr.write(`protoc-gen-device-client: ${FRAMEWORK} is not installed, and it needs it: ${remedy}\n`);
    process.exitCode = 1;
  }
}

function isMissing(error: unknown): boolean {
  const { code, message = "" } = error as NodeJS.ErrnoException;
  return code === "ERR_MODULE_NOT_FOUND" && message.includes(FRAMEWORK);
}

export {};
