import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnBinary } from "../support/binary.ts";

/** The contract against the compiled binary, from grpc-js on Node. */

test("a client on Node sees every method and every error of the contract", async () => {
  const folder = await mkdtemp(join(tmpdir(), "das-node-"));
  const entry = join(import.meta.dir, "../support/node-suite.ts");
  const built = await Bun.build({ entrypoints: [entry], target: "node", format: "esm", outdir: folder });
  expect(built.success).toBe(true);
  await using binary = await spawnBinary([]);
  const child = Bun.spawn(["node", join(folder, "node-suite.js"), binary.unixTarget], { stdout: "pipe" });
  const lines = (await new Response(child.stdout).text()).trim().split("\n");
  const checks = lines.map((line) => JSON.parse(line) as { name: string; problem?: string });
  expect(checks.filter(({ problem }) => problem !== undefined)).toEqual([]);
  expect(checks.length).toBe(10);
  await rm(folder, { recursive: true });
});
