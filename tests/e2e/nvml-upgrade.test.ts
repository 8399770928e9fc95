import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import { BINARY } from "../support/binary.ts";

/** Against hangs; never a limit on speed. */
const WAIT_MS = 30_000;

let folder: string;
let fake: FakeNvml;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "upgrade-"));
  fake = createFakeNvml({ gpus: 2 });
});
afterAll(() => {
  fake[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

test("a server whose program was upgraded in place goes on with host processes of its own version", async () => {
  const program = join(folder, "device-api-server");
  copyFileSync(BINARY, program);
  const free = [
    `--unix-socket=${join(folder, "s.sock")}`,
    "--grpc-address=",
    "--ui-address=",
    "--health-port=0",
    "--metrics-port=0",
  ];
  const nvml = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`];
  const server = Bun.spawn([program, "serve", "--http-host=127.0.0.1", "--shutdown-delay=0", ...free, ...nvml], {
    env: { PATH: Bun.env["PATH"] ?? "", ...fake.env },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: WAIT_MS,
  });
  const lines = logOf(server.stderr);
  await lines.until("NVML is initialised");
  const first = hostOf(server.pid);
  expect(shownAs(first)).toEqual({ comm: "nvml-host", argv0: program });

  // As a package manager does it.
  const newer = join(folder, "newer");
  writeFileSync(newer, "#!/bin/sh\nexit 9\n", { mode: 0o755 });
  renameSync(newer, program);
  process.kill(first, "SIGKILL");
  await lines.until("ended by SIGKILL");
  await lines.until("NVML is initialised");
  const second = hostOf(server.pid);
  expect(second).not.toBe(first);
  expect(shownAs(second)).toEqual({ comm: "nvml-host", argv0: program });
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
});

function hostOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim());
}

/** As ps and the kernel's log have it. */
function shownAs(pid: number): { readonly comm: string; readonly argv0: string } {
  const [argv0 = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  return { comm: readFileSync(`/proc/${pid}/comm`, "utf8").trim(), argv0 };
}

/** Reads on until a line has these words; those before it are gone. */
function logOf(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  return {
    async until(words: string): Promise<void> {
      for (let seen = ""; ; ) {
        const end = rest.indexOf("\n") + 1;
        const line = rest.slice(0, end);
        rest = rest.slice(end);
        seen += line;
        if (line.includes(words)) return;
        if (end > 0) continue;
        const { done, value } = await reader.read();
        if (done) throw new Error(`no line says ${words}:\n${seen}`);
        rest += decoder.decode(value, { stream: true });
      }
    },
  };
}
