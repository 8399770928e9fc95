import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { createFakeNvml } from "../../src/testing/fake-nvml.ts";
import { spawnBinary } from "../support/binary.ts";
import { cpuShareOf, memoryOf } from "../support/process-cost.ts";

/** T-RSS-1. */

interface Cost {
  /** MB of a million bytes. */
  readonly resident: number;
  readonly anonymous: number;
  /** Percent of one core. */
  readonly cpu: number;
}

/**
 * Memory: the most of three runs on 2 cores at a load of 4 (x86-64, Bun 1.4.5), rounded up. Processor time depends on
 * the machine and on what else it does: measured 0.11 for an idle server, whose ceiling makes the limit twice the
 * promised 0.2, 1.6 to 1.8 with 16 GPUs, 0.6 to 0.75 for its host process. Whoever makes a process smaller lowers its
 * line; whoever raises one says in the change what for.
 */
const CEILINGS = {
  "a server without GPUs": { resident: 59.5, anonymous: 13.5, cpu: 0.36 },
  "a server with 16 GPUs of NVML": { resident: 72, anonymous: 21.5, cpu: 3 },
  "its host process": { resident: 60, anonymous: 13, cpu: 1.5 },
} as const satisfies Record<string, Cost>;
type Measured = keyof typeof CEILINGS;

/** More than this over a ceiling is a regression. */
const TOLERANCE = 1.1;
/** Until the first rounds are over, and the start is paid for. */
const SETTLE_MS = 4_000;
/** The quietest of some: what a process does all the time it does in each of them, and a busy machine disturbs some. */
const WINDOWS = 4;
const WINDOW_MS = 2_500;

const GPUS = 16;
const costs = new Map<Measured, Cost>();
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  const fake = stack.use(createFakeNvml({ gpus: GPUS }));
  const idle = stack.use(await spawnBinary([]));
  const nvml = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`];
  const busy = stack.use(await spawnBinary(nvml, fake.env));
  while ((await busy.metric("device_api_server_cache_gpus_healthy")) < GPUS) await Bun.sleep(100);
  await Bun.sleep(SETTLE_MS);
  const { pid } = busy.process;
  const host = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim());
  const pids = [idle.process.pid, pid, host];
  const names = Object.keys(CEILINGS) as Measured[];
  await Promise.all(names.map(async (name, i) => costs.set(name, await costOf(pids[i] ?? 0))));
});

afterAll(async () => {
  await stack.disposeAsync();
});

async function costOf(pid: number): Promise<Cost> {
  const shares: number[] = [];
  for (let i = 0; i < WINDOWS; i++) shares.push(await cpuShareOf(pid, WINDOW_MS));
  const { resident, anonymous } = memoryOf(pid);
  return { resident: resident / 1e6, anonymous: anonymous / 1e6, cpu: Math.min(...shares) * 100 };
}

describe("at rest", () => {
  test.each(Object.entries(CEILINGS))(
    "%s takes no more memory and processor time than is recorded",
    (name, ceiling) => {
      const cost = costs.get(name as Measured);
      if (cost === undefined) throw new Error("not measured");
      const { resident, anonymous, cpu } = cost;
      const memory = `${resident.toFixed(1)} MB, ${anonymous.toFixed(1)} of it anonymous`;
      console.log(`T-RSS-1: ${name}: ${memory}, ${cpu.toFixed(3)} % of a core`);
      expect(resident).toBeLessThan(ceiling.resident * TOLERANCE);
      expect(anonymous).toBeLessThan(ceiling.anonymous * TOLERANCE);
      expect(cpu).toBeLessThan(ceiling.cpu * TOLERANCE);
    },
  );
});
