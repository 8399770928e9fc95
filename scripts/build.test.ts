import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

/** What a checkout brings, and the shim, which `just unit` makes first. */
const CHECKOUT = ["src", "scripts", "tools", "zig", "package.json", "bun.lock", "tsconfig.json"];
const SHIM = ["dist/native", "dist/.native.stamp"];
const NOT_COPIED = /zig\/(\.zig-cache|zig-out)$|\.test\.ts$/;

let folder: string;

beforeAll(() => {
  // On the file system of node_modules, whose files are linked.
  mkdirSync("dist", { recursive: true });
  folder = mkdtempSync(resolve("dist/tmp.build-test-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The digest of the binary that a copy of this checkout gives. */
function digestIn(checkout: string): string {
  for (const path of [...CHECKOUT, ...SHIM]) {
    cpSync(path, join(checkout, path), { recursive: true, filter: (source) => !NOT_COPIED.test(source) });
  }
  // Not one link to the folder: the compiler would follow both to one path.
  must(["cp", "-al", resolve("node_modules"), checkout]);
  must([process.execPath, "scripts/build.ts"], checkout);
  const binary = readFileSync(join(checkout, "dist/device-api-server"));
  return new Bun.CryptoHasher("sha256").update(binary).digest("hex");
}

function must(command: string[], cwd = "."): void {
  const done = Bun.spawnSync(command, { cwd, stdout: "pipe", stderr: "pipe" });
  if (!done.success) throw new Error(`${command.join(" ")}: ${done.stdout}${done.stderr}`);
}

test("two checkouts, and two compiles, give the same binary", () => {
  expect(digestIn(join(folder, "a"))).toBe(digestIn(join(folder, "a-checkout-with-a-longer-name")));
});
