import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { conditionOf, GpuWatch, shortOf } from "../support/gpu-watch.ts";
import { heldBy } from "../support/held.ts";
import { sumOf } from "../support/metrics.ts";
import { TestClient } from "../support/test-client.ts";
import { readSmi, readSmiRemapped, type SmiGpu } from "./nvidia-smi.ts";

/**
 * T-NV-6 and T-NV-7: the compiled binary on a machine with a GPU and its driver. What was measured is printed.
 * GPU_SECONDS is how long memory is watched, GPU_PERIOD how often is sampled meanwhile, GPU_RESTARTS how often the
 * server starts, GPU_DRIVER_ROOT where the driver's files are, where that is not the loader's own path.
 */
const SECONDS = Number(Bun.env["GPU_SECONDS"] ?? 60);
const RESTARTS = Number(Bun.env["GPU_RESTARTS"] ?? 100);
const DRIVER_ROOT = Bun.env["GPU_DRIVER_ROOT"] ?? "/";
const PERIOD = Bun.env["GPU_PERIOD"] ?? "500ms";
const FLAGS = ["--enable-nvml-provider", `--nvml-driver-root=${DRIVER_ROOT}`, `--nvml-period=${PERIOD}`];
const LIMIT_MS = 1_800_000;
const NVML = "device_api_server_nvml_";

/** Between our reading and the tool's lies up to a period, in which a GPU may warm up or draw more. */
const CELSIUS_NEAR = 3;
const WATTS_NEAR = 25;
/** Over the last two thirds of the time; the runtime's own heap breathes by some MiB. */
const GROWTH_MIB_MAX = 8;

const gpus = readSmi();

/** A kernel that reads where no memory is: the driver answers with Xid 31 or 13, and ends the program. */
const ILLEGAL_ACCESS = `
#include <cstdio>
__global__ void read(int *from, int *to) { *to = *from; }
int main() {
  int *to;
  if (cudaMalloc(&to, sizeof(int)) != cudaSuccess) return 2;
  read<<<1, 1>>>((int *)0x10, to);
  const cudaError_t error = cudaDeviceSynchronize();
  std::printf("%s\\n", cudaGetErrorString(error));
  return error == cudaErrorIllegalAddress ? 0 : 3;
}
`;

describe.skipIf(gpus === undefined)("with a GPU and its driver", () => {
  let binary: RunningBinary;
  let client: TestClient;
  let watch: GpuWatch;

  beforeAll(async () => {
    binary = await spawnBinary(FLAGS);
    client = new TestClient(binary.unixTarget);
    watch = new GpuWatch(client);
    await watch.names(gpus?.length ?? 0);
    for (const { uuid } of gpus ?? []) await isReady(watch, uuid);
  });

  afterAll(async () => {
    watch[Symbol.dispose]();
    client[Symbol.dispose]();
    expect(await binary.stop()).toBe(0);
  });

  const metrics = async () => await (await fetch(binary.metricsUrl)).text();

  test("consumers see the GPUs that nvidia-smi lists, by name, place and driver", async () => {
    const smi = readSmi() ?? [];
    expect([...watch.latest.keys()].sort()).toEqual(smi.map(({ uuid }) => uuid).sort());
    for (const { uuid, name, busId } of smi) {
      const message = conditionOf(watch.latest.get(uuid), "NVMLReady")?.message ?? "";
      console.log(message);
      expect(message).toContain(name);
      expect(message.toLowerCase()).toContain(busId.toLowerCase());
    }
    expect(await binary.metric(`${NVML}driver_info`, `driver_version="${smi[0]?.driver}"`)).toBe(1);
    expect(await binary.metric(`${NVML}health_monitor_running`)).toBe(1);
  });

  test("temperature, power, ECC errors and remapped rows are those of nvidia-smi", async () => {
    // A period, so that the reading is not older than the tool's by more.
    await Bun.sleep(600);
    const smi = readSmi() ?? [];
    const text = await metrics();
    for (const gpu of smi) compareReadings(gpu, text);
    for (const [uuid, [corrected, uncorrected, pending, failed]] of readSmiRemapped()) {
      const ours = (name: string, labels = "") => sumOf(text, `${NVML}gpu_${name}`, `gpu="${uuid}"${labels}`);
      console.log(`${uuid} remapped rows ${corrected}, ${uncorrected}; pending ${pending}, failed ${failed}`);
      expect(ours("remapped_rows", ',severity="corrected"')).toBe(corrected ?? 0);
      expect(ours("remapped_rows", ',severity="uncorrected"')).toBe(uncorrected ?? 0);
      expect(ours("row_remap_pending")).toBe(pending ?? 0);
      expect(ours("row_remap_failed")).toBe(failed ?? 0);
    }
  });

  test.skipIf(Bun.which("nvcc") === null)(
    "the Xid of an application's fault is counted; the GPU stays Ready",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "xid-"));
      await Bun.write(join(folder, "illegal.cu"), ILLEGAL_ACCESS);
      const built = Bun.spawnSync(["nvcc", "-o", join(folder, "illegal"), join(folder, "illegal.cu")]);
      expect(`${built.stderr}`).not.toContain("error");
      const before = sumOf(await metrics(), `${NVML}xid_errors_total`);
      const ended = Bun.spawnSync([join(folder, "illegal")]);
      console.log(`the program: ${ended.stdout.toString().trim()}`);
      expect(ended.exitCode).toBe(0);
      const after = async () => sumOf(await metrics(), `${NVML}xid_errors_total`);
      for (const limit = performance.now() + 20_000; (await after()) === before; await Bun.sleep(50)) {
        if (performance.now() > limit) throw new Error("no Xid was counted");
      }
      console.log(
        (await metrics())
          .split("\n")
          .filter((line) => line.startsWith(`${NVML}xid`))
          .join("\n"),
      );
      for (const { uuid } of gpus ?? []) expect(shortOf(watch.latest.get(uuid), "Ready")).toStartWith("True");
      rmSync(folder, { recursive: true });
    },
  );

  test(
    `memory, descriptors and threads are flat over ${SECONDS} s of sampling`,
    async () => {
      const pids = [binary.process.pid, ...childrenOf(binary.process.pid)];
      expect(pids).toHaveLength(2);
      const calls = async () => sumOf(await metrics(), `${NVML}call_duration_seconds_count`);
      const held = await Promise.all(pids.map(heldBy));
      const started = { ms: performance.now(), calls: await calls(), cpu: pids.map(cpuSeconds) };
      const looks: number[][] = [];
      for (let i = 0; i < 12; i++) {
        await Bun.sleep((SECONDS * 1_000) / 12);
        looks.push(pids.map(anonymousMib));
        const shown = pids.map((pid) => `${rssMib(pid).toFixed(1)} (${anonymousMib(pid).toFixed(1)})`);
        console.log(`after ${((performance.now() - started.ms) / 1_000).toFixed(0)} s: ${shown.join(", ")}`);
      }
      const minutes = (performance.now() - started.ms) / 60_000;
      const cpu = pids.map((pid, i) => (cpuSeconds(pid) - (started.cpu[i] ?? 0)) / (minutes * 0.6));
      console.log(`RSS (anonymous) in MiB of server, host; cpu ${cpu.map((part) => part.toFixed(2)).join(" %, ")} %`);
      console.log(`${(((await calls()) - started.calls) / minutes).toFixed(0)} calls a minute`);
      for (const [i, pid] of pids.entries()) {
        const growth = (looks.at(-1)?.[i] ?? 0) - (looks[3]?.[i] ?? 0);
        expect(growth).toBeLessThan(GROWTH_MIB_MAX);
        expect(await heldBy(pid)).toEqual(held[i] ?? { fds: -1, threads: -1 });
      }
    },
    LIMIT_MS,
  );

  test(
    `the driver is well after each of ${RESTARTS} starts, ended by SIGTERM and SIGKILL in turn`,
    async () => {
      const took: number[] = [];
      for (let i = 0; i < RESTARTS; i++) {
        const began = performance.now();
        const server = await spawnBinary(FLAGS);
        using own = new TestClient(server.unixTarget);
        using seen = new GpuWatch(own);
        await seen.names(gpus?.length ?? 0);
        for (const { uuid } of gpus ?? []) await isReady(seen, uuid);
        took.push(performance.now() - began);
        if (i % 2 === 1) server.process.kill("SIGKILL");
        expect(await server.stop()).toBe(i % 2 === 1 ? 137 : 0);
        // Each time the tool works, and lists the same GPUs.
        expect(readSmi()?.map(({ uuid }) => uuid)).toEqual(gpus?.map(({ uuid }) => uuid));
      }
      took.sort((a, b) => a - b);
      const at = (share: number) => `${took[Math.floor((took.length - 1) * share)]?.toFixed(0)} ms`;
      console.log(`start to Ready: median ${at(0.5)}, longest ${at(1)}`);
    },
    LIMIT_MS,
  );
});

function compareReadings({ uuid, celsius, watts, ecc }: SmiGpu, text: string): void {
  const ours = (name: string, labels = "") => sumOf(text, `${NVML}gpu_${name}`, `gpu="${uuid}"${labels}`);
  console.log(`${uuid}: ${celsius} C and ${ours("temperature_celsius")}, ${watts} W and ${ours("power_watts")}`);
  if (celsius !== undefined) expect(Math.abs(ours("temperature_celsius") - celsius)).toBeLessThan(CELSIUS_NEAR);
  if (watts !== undefined) expect(Math.abs(ours("power_watts") - watts)).toBeLessThan(WATTS_NEAR);
  for (const [labels, errors] of ecc) {
    console.log(`${uuid}: ECC ${labels} ${errors}`);
    expect(ours("ecc_errors", `,${labels}`)).toBe(errors ?? 0);
  }
}

async function isReady(watch: GpuWatch, uuid: string): Promise<void> {
  await watch.until(uuid, (gpu) => shortOf(gpu, "Ready").startsWith("True"), `${uuid} is ready`);
}

function childrenOf(pid: number): readonly number[] {
  const found = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim().split(" "),
  );
  return found.filter((child) => child !== "").map(Number);
}

const kib = (pid: number, field: string) =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
const rssMib = (pid: number) => kib(pid, "VmRSS") / 1_024;
const anonymousMib = (pid: number) => kib(pid, "RssAnon") / 1_024;

/** User and system time; the kernel counts in hundredths of a second. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
