/**
 * What the NVML provider costs while nothing happens, from the compiled binary on the scripted library: memory of the
 * server and of its host process, and processor time and NVML calls by period. `bun bench/nvml-cost.ts [IDLE_SECONDS]`.
 * The scripted library answers at once and needs no memory of its own: what a driver adds comes on top.
 */
import { readFileSync } from "node:fs";
import { arch, cpus, loadavg, release } from "node:os";
import { createFakeNvml } from "../src/testing/fake-nvml.ts";
import { spawnBinary } from "../tests/support/binary.ts";

const idleSeconds = Number(process.argv[2] ?? 60);
const DEFAULT_PERIOD_MS = 500;
const PERIODS_MS = [250, 500, 1_000, 2_000, 5_000];
const GPUS = [8, 64];
/** Until the first rounds are over and the start is paid for. */
const SETTLE_SECONDS = 5;
/** USER_HZ of Linux on every machine that this runs on. */
const TICKS_PER_SECOND = 100;

interface Memory {
  readonly rss: number;
  readonly pss: number;
  readonly anonymous: number;
}

interface Cost {
  readonly server: Memory;
  readonly host: Memory | undefined;
  readonly serverCpu: number;
  readonly hostCpu: number | undefined;
  readonly callsPerMinute: number;
}

function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const megabytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1]) / 1_024;
  return { rss: megabytes("Rss"), pss: megabytes("Pss"), anonymous: megabytes("Anonymous") };
}

function cpuSecondsOf(pid: number): number {
  const afterName = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(afterName[11]) + Number(afterName[12])) / TICKS_PER_SECOND;
}

function hostOf(pid: number): number | undefined {
  const [first = ""] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  return first === "" ? undefined : Number(first);
}

/** One server that idles; without GPUs it has no NVML provider. */
async function measure(gpus: number, periodMs: number): Promise<Cost> {
  using fake = createFakeNvml({ gpus: Math.max(1, gpus) });
  const nvml = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`, `--nvml-period=${periodMs}ms`];
  await using server = await spawnBinary(gpus === 0 ? [] : nvml, fake.env);
  await Bun.sleep(SETTLE_SECONDS * 1_000);
  const { pid } = server.process;
  const host = hostOf(pid);
  const before = { server: cpuSecondsOf(pid), host: host === undefined ? 0 : cpuSecondsOf(host) };
  fake.command("calls reset");
  const started = performance.now();
  await Bun.sleep(idleSeconds * 1_000);
  const seconds = (performance.now() - started) / 1_000;
  const calls = fake
    .command("calls")
    .split("\n")
    .reduce((sum, line) => sum + Number(line.split(" ")[1] ?? 0), 0);
  return {
    server: memoryOf(pid),
    host: host === undefined ? undefined : memoryOf(host),
    serverCpu: ((cpuSecondsOf(pid) - before.server) / seconds) * 100,
    hostCpu: host === undefined ? undefined : ((cpuSecondsOf(host) - before.host) / seconds) * 100,
    callsPerMinute: (calls / seconds) * 60,
  };
}

const number = (value: number | undefined, digits: number) => (value === undefined ? "-" : value.toFixed(digits));
const row = (...cells: readonly string[]) => console.log(`| ${cells.join(" | ")} |`);
const memoryCells = (memory: Memory | undefined) =>
  [memory?.rss, memory?.pss, memory?.anonymous].map((value) => number(value, 1));

const load = () => `load ${loadavg()[0]?.toFixed(1)}`;
console.log(`${cpus().length} x ${cpus()[0]?.model}, Linux ${release()} ${arch()}, Bun ${Bun.version}, ${load()}`);
console.log(`\nmemory in MiB after ${idleSeconds} s, one server at a time:\n`);
row("GPUs", "process", "RSS", "PSS", "anonymous");
row("---", "---", "---", "---", "---");
for (const gpus of [0, ...GPUS]) {
  const { server, host } = await measure(gpus, DEFAULT_PERIOD_MS);
  row(gpus === 0 ? "without NVML" : String(gpus), "server", ...memoryCells(server));
  if (host !== undefined) row(String(gpus), "host", ...memoryCells(host));
}

console.log(`\nprocessor time in % of one processor over ${idleSeconds} s, side by side (${load()}):\n`);
row("GPUs", "period", "server", "host", "NVML calls per minute");
row("---", "---", "---", "---", "---");
const played = GPUS.flatMap((gpus) => PERIODS_MS.map((periodMs) => ({ gpus, periodMs })));
const costs = await Promise.all([measure(0, DEFAULT_PERIOD_MS), ...played.map((p) => measure(p.gpus, p.periodMs))]);
row("without NVML", "-", number(costs[0]?.serverCpu, 2), "-", "-");
for (const [i, { gpus, periodMs }] of played.entries()) {
  const cost = costs[i + 1];
  const cells = [number(cost?.serverCpu, 2), number(cost?.hostCpu, 2), number(cost?.callsPerMinute, 0)];
  row(String(gpus), `${periodMs} ms`, ...cells);
}
console.log(`\n${load()} at the end`);
