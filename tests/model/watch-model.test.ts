import { expect, test } from "bun:test";
import { runSettings } from "../../src/testing/run-settings.ts";
import { describeCounts, runShards } from "../../src/testing/shards.ts";

/** T-MOD-2, with T-MUT-1 on the way. */

const RUNS = 20_000;
/** Against hangs only; the scale of a night goes with it. */
const TIMEOUT_MS = 600_000;

const settings = runSettings(process.env);

test(
  "watchers that start, stall, resume and cancel at random get every event once and in order, or OUT_OF_RANGE",
  async () => {
    const started = performance.now();
    const worker = new URL("../../src/testing/watch-model-worker.ts", import.meta.url);
    const { counts, failures } = await runShards(worker, RUNS, settings);
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    console.log(`T-MOD-2: seed ${settings.seed}, ${seconds} s: ${describeCounts(counts)}`);
    if (failures.length > 0) throw new Error(failures.join("\n"));
    for (const what of ["snapshots", "resumed", "refused", "caught up", "overtaken", "cancelled"]) {
      expect(`${what} ${counts[what] ?? 0}`).not.toBe(`${what} 0`);
    }
  },
  TIMEOUT_MS * Math.max(1, settings.scale),
);
