import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startTestServer } from "../support/test-server.ts";
import { dial, FAKE_BACKENDS, type StartBackend } from "./backends.ts";
import { observe } from "./observe.ts";
import { PROVIDER_CASES } from "./provider-cases.ts";
import { READ_CASES } from "./read-cases.ts";

/** The fakes keep the wire contract as the server does: the same cases against all of them. */

const BACKENDS: Readonly<Record<string, StartBackend>> = {
  async "the server"() {
    const server = await startTestServer();
    return dial(server.unixTarget, () => server.stop());
  },
  ...FAKE_BACKENDS,
};

const CASES = { ...READ_CASES, ...PROVIDER_CASES };

describe.each(Object.entries(BACKENDS))("%s", (_, start) => {
  test.each(Object.entries(CASES))("%s", async (_, { run, expected }) => {
    await using backend = await start();
    expect(await run(await observe(backend.clientset))).toEqual(expected);
  });
});

test("the fakes keep it on Node as well, and let go of all that would hold the process", async () => {
  const folder = await mkdtemp(join(tmpdir(), "das-node-"));
  const entry = join(import.meta.dir, "fake-node-suite.ts");
  const built = await Bun.build({ entrypoints: [entry], target: "node", format: "esm", outdir: folder });
  expect(built.success).toBe(true);
  const child = Bun.spawn(["node", join(folder, "fake-node-suite.js")], { stdout: "pipe" });
  const lines = (await new Response(child.stdout).text()).trim().split("\n");
  const results = lines.map((line) => JSON.parse(line) as { name: string; problem?: string });
  expect(results.filter(({ problem }) => problem !== undefined)).toEqual([]);
  expect(results).toHaveLength(Object.keys(FAKE_BACKENDS).length * Object.keys(CASES).length);
  expect(await child.exited).toBe(0);
  await rm(folder, { recursive: true });
});
