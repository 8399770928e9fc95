import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { because, missingGo, moduleFolder, provideBinaries } from "./parts.ts";

/** T-GRPC-3: the gRPC server suites of connectrpc.com/conformance, by Connect's client and by grpc-go's. */

/** A suite that has lost some is another suite. */
const CASES = 374;
const KNOWN = 2;

const here = (file: string) => join(import.meta.dir, file);

describe.skipIf(missingGo !== undefined)(`connectconformance${because(missingGo)}`, () => {
  test("passes on our transport all but what is known, and what is known fails", async () => {
    const protos = join(moduleFolder("connectrpc.com/conformance"), "proto");
    const runner = [join(provideBinaries(), "connectconformance"), "--mode", "server", "--conf", here("grpc.yaml")];
    const known = ["--known-failing", `@${here("grpc-known-failing.txt")}`];
    const server = [process.execPath, here("grpc-server.ts"), protos];

    const child = Bun.spawn([...runner, ...known, "--", ...server], { stdout: "pipe", stderr: "pipe" });
    const [out, problems] = await Promise.all(
      [child.stdout, child.stderr].map((stream) => new Response(stream).text()),
    );

    expect(problems).toBe("");
    expect(out).toContain(`Total cases: ${CASES}\n${CASES - KNOWN} passed, 0 failed`);
    expect(out).toContain(`(Another ${KNOWN} failed as expected`);
    expect(await child.exited).toBe(0);
  });
});
