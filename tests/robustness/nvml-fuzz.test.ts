import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { toBinary } from "@bufbuild/protobuf";
import { GpuService, ListGpusResponseSchema } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { MAX_INSTANCES } from "../../src/native/nvml-abi.gen.ts";
import { FLEET_MAX } from "../../src/provider/nvml/fleet.ts";
import { spawnBinary } from "../support/binary.ts";
import { TestClient } from "../support/test-client.ts";

/**
 * T-FUZZ-3: a library that lies (zig/fuzz), below the shim alone and below the whole server. NVML_FUZZ_SEED plays a
 * seed again, NVML_FUZZ_CALLS and NVML_FUZZ_SECONDS make it longer; a seed that fails becomes a row of PLAYS.
 */

const FUZZ = resolve("dist/native/fuzz");
const SHIM = resolve("dist/native/libdevice_api_shim.so");

const seed = Number(Bun.env["NVML_FUZZ_SEED"] ?? Math.floor(Math.random() * 1_000_000));
const calls = Number(Bun.env["NVML_FUZZ_CALLS"] ?? 200_000);
const seconds = Number(Bun.env["NVML_FUZZ_SECONDS"] ?? 8);
console.log(`NVML_FUZZ_SEED=${seed}`);

test(`the shim gives out nothing but what its contract says, over ${calls} calls (seed ${seed})`, async () => {
  const command = [`${FUZZ}/fuzz-nvml`, SHIM, FUZZ, String(seed), String(calls), "600"];
  const driver = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [said, complaint] = await Promise.all([
    new Response(driver.stdout).text(),
    new Response(driver.stderr).text(),
    driver.exited,
  ]);
  expect({ code: driver.exitCode, signal: driver.signalCode, said, complaint }).toMatchObject({
    code: 0,
    signal: null,
    said: expect.stringMatching(
      /^seed \d+: \d+ calls, \d+ sessions, [1-9]\d* rounds, [1-9]\d* readings, [1-9]\d* events/,
    ),
    complaint: "",
  });
});

/** What a gRPC client accepts by default. */
const REPLY_BYTES_MAX = 4 * 1024 * 1024;
const OBJECTS_MAX = FLEET_MAX * (1 + MAX_INSTANCES);
const NAME = /^[A-Za-z0-9]([-._A-Za-z0-9]{0,251}[A-Za-z0-9])?$/;
/** Against hangs: a list takes milliseconds, and a second while events flood. */
const LIST_MAX_MS = 10_000;
/** 150 MB and 75 MB were seen after ten seconds; a loss of memory by event or round shows as much more. */
const SERVER_MAX_MB = 500;
const HOST_MAX_MB = 250;
/** A change of the provider's state is a line, and it changes with every round that lies: ten in a second. */
const LINES_PER_SECOND_MAX = 25;
/** Control characters and what else moves a cursor or reorders text. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

const megabytes = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024;

function hostOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  return Number(children[0]);
}

/** The second: events came so fast that the server had no turn left for its clients. */
const PLAYS: readonly (readonly [what: string, seed: number, env: Record<string, string>])[] = [
  ["8 GPUs", seed, { FUZZ_NVML_GPUS: "8" }],
  ["events without a pause", 5, { FUZZ_NVML_GPUS: "64", FUZZ_NVML_FLOOD: "1" }],
];

for (const [what, played, env] of PLAYS) {
  test(`the server serves, and both processes live and stay small (${what}, seed ${played})`, async () => {
    const flags = ["--enable-nvml-provider", `--nvml-driver-root=${FUZZ}`, "--nvml-period=100ms", "--nvml-mig"];
    const server = await spawnBinary(flags, { FUZZ_NVML_SEED: String(played), ...env });
    await using _server = server;
    const started = performance.now();
    const host = hostOf(server.process.pid);
    let listed = 0;
    while (performance.now() - started < (seconds * 1_000) / 2) {
      using client = new TestClient(server.unixTarget);
      const asked = performance.now();
      const reply = await client.call(GpuService.method.listGpus, {});
      expect(performance.now() - asked).toBeLessThan(LIST_MAX_MS);
      expect(toBinary(ListGpusResponseSchema, reply).length).toBeLessThan(REPLY_BYTES_MAX);
      const items = reply.gpuList?.items ?? [];
      expect(items.length).toBeLessThanOrEqual(OBJECTS_MAX);
      for (const { metadata } of items) expect(metadata?.name).toMatch(NAME);
      for (const text of items.flatMap(({ status }) => (status?.conditions ?? []).map(({ message }) => message))) {
        expect(text).not.toMatch(UNPRINTABLE);
      }
      listed = Math.max(listed, items.length);
      expect(megabytes(server.process.pid)).toBeLessThan(SERVER_MAX_MB);
      expect(megabytes(host)).toBeLessThan(HOST_MAX_MB);
      await Bun.sleep(100);
    }
    expect(listed).toBeGreaterThan(0);
    expect(hostOf(server.process.pid)).toBe(host);
    expect(await server.stop()).toBe(0);
    const tookSeconds = (performance.now() - started) / 1_000;
    expect(server.logLines.filter((line) => UNPRINTABLE.test(line))).toEqual([]);
    expect(server.logLines.filter((line) => !line.startsWith("{") || line.length > 2_000)).toEqual([]);
    expect(server.logLines.length).toBeLessThan(LINES_PER_SECOND_MAX * tookSeconds);
  });
}
