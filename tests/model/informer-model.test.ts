import { expect, test } from "bun:test";
import { runSettings } from "../../src/testing/run-settings.ts";
import { describeCounts, runShards } from "../../src/testing/shards.ts";

/** T-SDK-1 in simulated time; tests/robustness/informer.test.ts has it on real sockets. */

const RUNS = 2_000;
/** Against hangs only; the scale of a night goes with it. */
const TIMEOUT_MS = 600_000;

const settings = runSettings(process.env);

test(
  "an informer converges within one maximum backoff of the last fault, and its handlers see each object in order",
  async () => {
    const started = performance.now();
    const worker = new URL("../../src/testing/informer-model-worker.ts", import.meta.url);
    const { counts, failures } = await runShards(worker, RUNS, settings);
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    console.log(`T-SDK-1: seed ${settings.seed}, ${seconds} s: ${describeCounts(counts)}`);
    if (failures.length > 0) throw new Error(failures.join("\n"));
    for (const what of ["adds", "updates", "deletes", "tombstones", "resyncs", "failing calls", "clock set back"]) {
      expect(`${what} ${counts[what] ?? 0}`).not.toBe(`${what} 0`);
    }
  },
  TIMEOUT_MS * Math.max(1, settings.scale),
);
