import { afterEach, beforeEach, expect, test } from "bun:test";
import { type Gpu, GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { conditionOf, GpuWatch, shortOf } from "../support/gpu-watch.ts";
import { sumOf } from "../support/metrics.ts";
import { waitsForEvents } from "../support/nvml-events.ts";
import { TestClient } from "../support/test-client.ts";

/** T-NV-4 against the compiled binary: 100,000 Xids within a second, and all GPUs lost at once. */

const { getGpu, listGpus } = GpuService.method;
const P = "device_api_server_nvml_";
const GPUS = 8;
/** Against hangs: the storm is over within some seconds on the slowest machine. */
const LIMIT_MS = 60_000;

let fake: FakeNvml;
let binary: RunningBinary;
let client: TestClient;
let watch: GpuWatch;
let names: readonly string[];

beforeEach(async () => {
  fake = createFakeNvml({ gpus: GPUS });
  // So long a period that every reading during a test is one that an event, or a loss of events, has asked for.
  const flags = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`, "--nvml-period=30s"];
  binary = await spawnBinary(flags, fake.env);
  client = new TestClient(binary.unixTarget);
  watch = new GpuWatch(client);
  names = await watch.names(GPUS);
  await waitsForEvents(fake);
});

afterEach(async () => {
  watch[Symbol.dispose]();
  client[Symbol.dispose]();
  await binary.stop();
  fake[Symbol.dispose]();
});

interface Counts {
  /** Events that named a GPU, those that named none, and those that were lost on their way. */
  readonly named: number;
  readonly unnamed: number;
  readonly dropped: number;
  of(name: string, xid: number): number;
}

/** Xids 13 name no GPU in these tests, so that those that do can be told apart. */
async function count(): Promise<Counts> {
  const text = await (await fetch(binary.metricsUrl)).text();
  const of = (name: string, xid: number) => sumOf(text, `${P}xid_errors_total`, `gpu="${name}",xid="${xid}"`);
  const all = sumOf(text, `${P}xid_errors_total`);
  const unnamed = sumOf(text, `${P}events_unattributed_total`);
  // Each of them is counted on every GPU that it can mean, which is all.
  return { named: all - unnamed * GPUS, unnamed, dropped: sumOf(text, `${P}events_dropped_total`), of };
}

async function untilAccounted(total: number): Promise<Counts> {
  const limit = performance.now() + LIMIT_MS;
  for (;;) {
    const counts = await count();
    const { named, unnamed, dropped } = counts;
    if (named + unnamed + dropped >= total) return counts;
    if (performance.now() > limit) throw new Error(`of ${total}: ${named} and ${unnamed} came, ${dropped} are lost`);
    await Bun.sleep(50);
  }
}

/** Reads again and again until it is stopped; resolves to how long each read took. */
function startReader(check: (lost: number) => void = () => {}): { stop(): Promise<readonly number[]> } {
  let stopped = false;
  const run = async () => {
    const tookMs: number[] = [];
    while (!stopped) {
      const startedMs = performance.now();
      const { gpuList } = await client.call(listGpus, {});
      check(gpuList?.items.filter((gpu) => shortOf(gpu, "NVMLReady") === "False/GPULost").length ?? -1);
      expect((await client.call(getGpu, { name: names[0] ?? "" })).gpu?.metadata?.name).toBe(names[0] ?? "");
      tookMs.push(performance.now() - startedMs);
      await Bun.sleep(1);
    }
    return tookMs;
  };
  const done = run();
  return {
    stop() {
      stopped = true;
      return done;
    },
  };
}

/** Every version after the snapshot, without a gap or a repeat. */
function expectCompleteWatch(): void {
  const versions = watch.messages.slice(GPUS).map(({ object }) => object?.resourceVersion ?? 0n);
  expect(versions).toEqual(versions.map((_, i) => (versions[0] ?? 0n) + BigInt(i)));
}

const showsXid48 = (gpu: Gpu | undefined) => conditionOf(gpu, "NVMLReady")?.message.startsWith("Xid 48 ") === true;

const SLICES = 50;
const SLICE_MS = 20;
/** With a GPU, of an application; a GPU's own; without a GPU. Together 2,000 in each slice, 100,000 in all. */
const NAMED = 1_792;
const UNNAMED = 200;
/** Each asks for a reset; one for each GPU in each slice. */
const RESET_XIDS = [46, 62, 95, 109, 119, 120, 136, 140, 143, 155];

test("100,000 Xids in a second: every one counted, reads go on, watches are whole, the latest shown", async () => {
  const reader = startReader();
  const startedMs = performance.now();
  for (let slice = 0; slice < SLICES; slice++) {
    fake.command(`xid 0 31 count=${NAMED} spread=1`);
    fake.command(`xid all ${RESET_XIDS[slice % RESET_XIDS.length]}`);
    fake.command(`xid none 13 count=${UNNAMED}`);
    await Bun.sleep(Math.max(0, startedMs + (slice + 1) * SLICE_MS - performance.now()));
  }
  const stormMs = performance.now() - startedMs;
  // As a driver has it: with the Xid its verdict, or the loss, so that whoever reads finds it too.
  fake.command("gpu 3 recovery_action=1");
  fake.command("xid 3 48");
  fake.command("gpu 5 lost=1");
  fake.command("xid 5 79");
  const total = SLICES * (NAMED + GPUS + UNNAMED) + 2;
  const counts = await untilAccounted(total);
  const accountedMs = performance.now() - startedMs;
  const reads = [...(await reader.stop())].sort((a, b) => a - b);
  console.log(
    `${total} Xids in ${stormMs.toFixed(0)} ms, all accounted for after ${accountedMs.toFixed(0)} ms, ` +
      `${counts.dropped} lost; ${watch.messages.length - GPUS} watch events; ${reads.length} reads of both kinds, ` +
      `p50 ${reads[reads.length >> 1]?.toFixed(1)} ms, longest ${reads.at(-1)?.toFixed(1)} ms`,
  );
  const { named, unnamed, dropped } = counts;
  expect(named + unnamed + dropped).toBe(total);
  if (dropped === 0) {
    for (const name of names) {
      expect(counts.of(name, 31)).toBe((SLICES * NAMED) / GPUS);
      expect(counts.of(name, 13)).toBe(SLICES * UNNAMED);
      for (const xid of RESET_XIDS) expect(counts.of(name, xid)).toBe(SLICES / RESET_XIDS.length);
    }
    expect(unnamed).toBe(SLICES * UNNAMED);
  }
  // A server that reads its pipe for as long as there is anything in it answers one or two.
  expect(reads.length).toBeGreaterThan(10);
  await watch.until(names[5] ?? "", (gpu) => shortOf(gpu, "NVMLReady") === "False/GPULost", "the latest of GPU 5");
  const { gpu } = await watch.until(names[3] ?? "", (gpu) => conditionOf(gpu, "Ready")?.status === "False", "GPU 3");
  if (dropped > 0) expect(gpu?.status?.recommendedAction).toBe("COMPONENT_RESET");
  else await watch.until(names[3] ?? "", showsXid48, "the latest of GPU 3");
  expectCompleteWatch();
});

test("more than the ring takes: what is lost is counted to the last one, and every GPU is read afresh", async () => {
  const total = 200_000;
  const waits = fake.calls("nvmlEventSetWait_v2");
  // Nobody takes anything out of the ring meanwhile: it has room for a third of them.
  binary.process.kill("SIGSTOP");
  fake.command(`xid 0 31 count=${total} spread=1`);
  const limit = performance.now() + LIMIT_MS;
  while (fake.calls("nvmlEventSetWait_v2") < waits + total && performance.now() < limit) await Bun.sleep(10);
  fake.command("gpu 5 remap_pending=1");
  binary.process.kill("SIGCONT");
  const { named, dropped } = await untilAccounted(total);
  console.log(`${total} Xids while nobody reads: ${named} came, ${dropped} were lost`);
  expect(dropped).toBeGreaterThan(total / 2);
  expect(named + dropped).toBe(total);
  await watch.until(names[5] ?? "", (gpu) => shortOf(gpu, "MemoryHealthy") === "False/RowRemapPending", "GPU 5");
  fake.command("xid 2 95");
  await watch.until(names[2] ?? "", (gpu) => shortOf(gpu, "NVMLReady") === "False/XidError", "an event after it");
  expectCompleteWatch();
});

test("all GPUs lost at once are one transaction: consecutive versions, and no read sees some of them", async () => {
  const seen = new Set<number>();
  const reader = startReader((lost) => seen.add(lost));
  const reasons = ["False/GPULost", "True/Initialized"];
  for (let i = 0; i < 10; i++) {
    const before = watch.messages.length;
    const short = reasons[i % 2];
    const all = names.map((name) => watch.next(name, (gpu) => shortOf(gpu, "NVMLReady") === short, `all ${short}`));
    await betweenRounds(() => fake.command(i % 2 === 0 ? "gpu all lost=1" : "gpu all reset"));
    await Promise.all(all);
    const versions = watch.messages.slice(before, before + GPUS).map(({ object }) => object?.resourceVersion ?? 0n);
    expect(versions).toEqual(names.map((_, n) => (versions[0] ?? 0n) + BigInt(n)));
    expect(watch.messages.length).toBe(before + GPUS);
  }
  const reads = await reader.stop();
  console.log(`10 transactions of ${GPUS} GPUs, ${reads.length} reads`);
  expect([...seen].sort()).toEqual([0, GPUS]);
});

/** Changes the machine while the next round waits at its beginning: a round that is under way would see half of it. */
async function betweenRounds(change: () => void): Promise<void> {
  const first = "nvmlDeviceGetCount_v2";
  const calls = fake.calls(first);
  fake.command(`fault ${first} delay_ms=300 times=1`);
  // Asks for a round, and changes nothing.
  fake.command("xid 0 31");
  while (fake.calls(first) === calls) await Bun.sleep(1);
  change();
}
