import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFakeNvml } from "../../src/testing/fake-nvml.ts";
import { BINARY } from "../support/binary.ts";

/** Against hangs; never a limit on speed. */
const WAIT_MS = 30_000;

test("SIGTERM while the driver's initialisation hangs ends the start, and nobody is served any more", async () => {
  using fake = createFakeNvml({ gpus: 2 });
  fake.command("fault nvmlInit_v2 hang");
  const folder = mkdtempSync(join(tmpdir(), "early-stop-"));
  const free = [
    `--unix-socket=${join(folder, "s.sock")}`,
    "--grpc-address=",
    "--ui-address=",
    "--health-port=0",
    "--metrics-port=0",
  ];
  const nvml = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`];
  const server = Bun.spawn([BINARY, "serve", "--http-host=127.0.0.1", ...free, ...nvml], {
    env: { PATH: Bun.env["PATH"] ?? "", ...fake.env },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: WAIT_MS,
  });
  while (fake.hangs("nvmlInit_v2") === 0 && server.exitCode === null) await Bun.sleep(10);
  server.kill("SIGTERM");
  const log = await new Response(server.stderr).text();
  expect(await server.exited).toBe(0);
  const messages = log.split("\n").map((line) => (line.startsWith("{") ? String(JSON.parse(line).msg) : line));
  expect(messages).toContain("stopped before it served");
  expect(messages).not.toContain("serving");
  rmSync(folder, { recursive: true });
});
