/**
 * `bun bench/nvml-faults.ts [REPEATS]`: how long after a fault is put into the scripted library its event arrives,
 * at the default period; prints a Markdown table. Needs the binary (`just build`).
 *
 * Every fault has a GPU of its own, and those of one kind are repeated side by side on one server, each at a random
 * moment of the period. An event makes the sampler take a round at once: so what is only read has a server without
 * events, or it would be found too early.
 */
import { createFakeNvml } from "../src/testing/fake-nvml.ts";
import { spawnBinary } from "../tests/support/binary.ts";
import { GpuWatch, shortOf } from "../tests/support/gpu-watch.ts";
import { beginFault, endFault, type Stage, setUpRows } from "../tests/support/nvml-fault-play.ts";
import { FAULT_ROWS, type FaultRow, SHORT_QUIET } from "../tests/support/nvml-faults.ts";
import { TestClient } from "../tests/support/test-client.ts";
import { type Quantiles, quantilesOf } from "./quantiles.ts";

const DEFAULT_REPEATS = 100;
/** Of --nvml-period. */
const PERIOD_MS = 500;

const ROWS = FAULT_ROWS.filter(({ begin }) => begin.length > 0);
const HANG = "fault nvmlDeviceGetTemperature hang times=1";

const isEvent = ({ begin }: FaultRow) => begin.some((command) => /^(xid|event) /.test(command));
const KINDS = [
  ["told by an event", ROWS.filter((row) => isEvent(row))],
  ["read by the sampler", ROWS.filter((row) => !isEvent(row))],
] as const;

const repeats = Number(process.argv[2] ?? DEFAULT_REPEATS);
console.log("| fault | put in by | condition | reason | advice | Ready | p50 s | p99 s | max s |");
console.log("| --- | --- | --- | --- | --- | --- | --: | --: | --: |");
const totals: string[] = [];
for (const [kind, rows] of KINDS) {
  const measured = await onServer(rows, (stage) => Promise.all(rows.map((row, place) => measure(stage, row, place))));
  rows.forEach((row, place) => {
    printRow(row, measured[place] ?? []);
  });
  const all = quantilesOf(measured.flat());
  totals.push(`${kind}: ${all.count} faults on ${rows.length} GPUs; p50, p99, max s: ${inSeconds(all)}`);
}
const hang = quantilesOf(await onServer([], measureHangs));
console.log(
  `| NVML hangs | \`${HANG}\` | NVMLReady Unknown | DriverUnresponsive | none | Unknown | ${inSeconds(hang)} |`,
);
for (const line of totals) console.log(`\n${line}`);

async function onServer<T>(rows: readonly FaultRow[], play: (stage: Stage) => Promise<T>): Promise<T> {
  const gpus = rows.length === 0 ? 8 : rows.length;
  using fake = createFakeNvml({ gpus });
  setUpRows(fake, rows);
  const flags = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`, ...SHORT_QUIET];
  await using binary = await spawnBinary(flags, fake.env);
  using client = new TestClient(binary.unixTarget);
  using watch = new GpuWatch(client);
  return await play({ fake, watch, names: await watch.names(gpus) });
}

function anyMoment(): Promise<void> {
  return Bun.sleep(Math.random() * PERIOD_MS);
}

async function measure(stage: Stage, row: FaultRow, place: number): Promise<number[]> {
  const tookMs: number[] = [];
  for (let i = 0; i < repeats; i++) {
    await anyMoment();
    tookMs.push((await beginFault(stage, row, place)).tookMs);
    await endFault(stage, row, place);
  }
  return tookMs;
}

/** Until all GPUs are Unknown. The call returns before its process would be killed. */
async function measureHangs({ fake, watch, names }: Stage): Promise<readonly number[]> {
  const tookMs: number[] = [];
  const all = (holds: string) =>
    Promise.all(names.map((name) => watch.until(name, (gpu) => shortOf(gpu, "NVMLReady") === holds, holds)));
  for (let i = 0; i < repeats; i++) {
    await anyMoment();
    const startedMs = performance.now();
    fake.command(HANG);
    const seen = await all("Unknown/DriverUnresponsive");
    tookMs.push(Math.max(...seen.map(({ atMs }) => atMs)) - startedMs);
    fake.command("clear all");
    await all("True/Initialized");
  }
  return tookMs;
}

function printRow(row: FaultRow, ms: readonly number[]): void {
  const { name, begin, condition, status, reason, action, ready } = row;
  const words = [name, `\`${begin.join("; ")}\``, `${condition} ${status ?? "False"}`, reason, action ?? "none", ready];
  console.log(`| ${words.join(" | ")} | ${inSeconds(quantilesOf(ms))} |`);
}

function inSeconds({ p50, p99, max }: Quantiles): string {
  return [p50, p99, max].map((ms) => (ms / 1_000).toFixed(3)).join(" | ");
}
