/**
 * Runs an example of examples/, by default against the server of `./dev run`. One in TypeScript runs in this process,
 * so that a Ctrl-C reaches it alone.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { runtimeFolder, SOCKET_NAME } from "./runtime-folder.ts";

const FOLDER = "examples";
const TARGET = "NVIDIA_DEVICE_API_TARGET";

const [name = "", ...rest] = process.argv.slice(2);
const code = await runExample(name, rest);
if (code !== undefined) process.exit(code);

/** Undefined where the example has the say in how the process ends. */
async function runExample(example: string, args: readonly string[]): Promise<number | undefined> {
  const known = readdirSync(FOLDER, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  if (!known.some((entry) => entry.name === example)) {
    const names = known
      .map((entry) => entry.name)
      .sort()
      .join(", ");
    console.error(`example: ${example === "" ? "which one?" : `there is no ${example};`} there are ${names}`);
    return 2;
  }
  if ((process.env[TARGET] ?? "") === "") {
    const folder = runtimeFolder();
    if (folder === undefined) return 2;
    process.env[TARGET] = `unix://${join(folder, SOCKET_NAME)}`;
  }
  const place = join(FOLDER, example);
  const program = resolve(place, "main.ts");
  if (existsSync(program)) {
    process.argv.splice(1, 2, program);
    await import(program);
    return undefined;
  }
  if (existsSync(join(place, "go.mod"))) {
    const built = resolve("dist", `example-${example}`);
    return (await run(["go", "-C", place, "build", "-o", built, "."])) || run([built, ...args]);
  }
  return run([process.execPath, "test", `./${place}`, ...args]);
}

function run([program = "", ...args]: readonly string[]): Promise<number> {
  const child = spawn(program, args, { stdio: "inherit" });
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((done) => {
    child.on("error", (error) => {
      console.error(`example: ${program} did not start: ${error.message}`);
      done(1);
    });
    child.on("exit", (status) => done(status ?? 1));
  });
}
