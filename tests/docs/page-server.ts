import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY, spawnBinary } from "../support/binary.ts";
import type { DocBlock } from "./blocks.ts";
import { difference } from "./compare.ts";
import { openShell } from "./shell.ts";

const ROOT = join(import.meta.dir, "../..");
const DIST = join(BINARY, "..");

/** What a reader has: the binary and the tools of this project, wherever they were installed. */
export const DOC_PATH = [DIST, join(ROOT, ".tools/bin"), Bun.env["PATH"] ?? ""].join(":");

/** A server with 8 simulated GPUs, and a shell in which the commands of one page run in turn. */
export interface PageServer extends AsyncDisposable {
  /** What went otherwise than the page says, each with its line. */
  run(block: DocBlock): Promise<readonly string[]>;
}

export async function startPageServer(): Promise<PageServer> {
  const folder = await mkdtemp(join(tmpdir(), "das-docs-"));
  // Pages say dist/device-api-server, and what they write must not end up in the checkout.
  await symlink(DIST, join(folder, "dist"));
  const server = await spawnBinary(["--simulate=8"]);
  const env = { PATH: DOC_PATH, LC_ALL: "C.UTF-8", NVIDIA_DEVICE_API_TARGET: server.unixTarget };
  const shell = openShell({ cwd: folder, env });
  const here = addresses(server);
  return {
    async run(block) {
      const problems: string[] = [];
      for (const { line, text, exitStatus, output } of block.commands) {
        const ran = await shell.run(here(text).replaceAll(/\bNAME\b/g, "gpu-0"));
        const wrong = (what: string) => problems.push(`line ${line}: ${text}\n  ${what}`);
        const differs = output && difference(output.map(here), ran.output);
        if (differs !== undefined) wrong(differs);
        if (ran.exitStatus !== exitStatus) {
          wrong(`exit status ${ran.exitStatus}, not ${exitStatus}; it wrote:\n${ran.output.join("\n")}`);
        }
      }
      return problems;
    },
    async [Symbol.asyncDispose]() {
      shell[Symbol.dispose]();
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** Pages show the usual addresses; a test has others. */
function addresses(server: Awaited<ReturnType<typeof spawnBinary>>): (text: string) => string {
  const table: readonly (readonly [shown: RegExp, real: string])[] = [
    [/\/(var\/run|run\/user\/1000)\/device-api\/device\.sock\b/g, server.socket],
    [/\b(localhost|127\.0\.0\.1):50051\b/g, server.tcpTarget],
    [/\b(http:\/\/)?(localhost|127\.0\.0\.1):8081\b/g, server.healthUrl],
    [/\b(http:\/\/)?(localhost|127\.0\.0\.1):8082\b/g, server.uiUrl],
    [/\b(http:\/\/)?(localhost|127\.0\.0\.1):9090\b/g, server.metricsUrl.replace("/metrics", "")],
  ];
  return (text) => table.reduce((changed, [shown, real]) => changed.replaceAll(shown, real), text);
}
