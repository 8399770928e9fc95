import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnBinary } from "../support/binary.ts";

test.each([
  ["Node", "node"],
  ["Bun", process.execPath],
])(
  "an informer on %s follows the compiled binary, and the process ends by itself once it is stopped",
  async (_, runtime) => {
    const folder = await mkdtemp(join(tmpdir(), "das-informer-"));
    const entry = join(import.meta.dir, "../support/informer-suite.ts");
    const built = await Bun.build({ entrypoints: [entry], target: "node", format: "esm", outdir: folder });
    expect(built.success).toBe(true);
    await using binary = await spawnBinary(["--simulate=3"]);
    const command = [runtime, join(folder, "informer-suite.js"), binary.unixTarget];
    const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect([stdout, stderr, await child.exited]).toEqual(["done\n", "", 0]);
    await rm(folder, { recursive: true });
  },
);
