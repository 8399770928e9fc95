import { expect, test } from "bun:test";
import { runSettings } from "../../src/testing/run-settings.ts";
import { describeCounts, runShards } from "../../src/testing/shards.ts";

/** T-MOD-1, with T-MUT-1 on the way. */

const HISTORIES = 20_000;
/** Against hangs only; the scale of a night goes with it. */
const TIMEOUT_MS = 300_000;

const settings = runSettings(process.env);

test(
  "random histories of 50 commands leave the store and a naive model in the same state",
  async () => {
    const started = performance.now();
    const worker = new URL("../../src/testing/store-model-worker.ts", import.meta.url);
    const { counts, failures } = await runShards(worker, HISTORIES, settings);
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    console.log(`T-MOD-1: seed ${settings.seed}, ${seconds} s: ${describeCounts(counts)}`);
    if (failures.length > 0) throw new Error(failures.join("\n"));
    const reached = ["OK", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "FAILED_PRECONDITION", "forgotten"];
    const atFullScale = ["RESOURCE_EXHAUSTED", "expiries", "held OK", "held ABORTED"];
    for (const what of settings.scale < 1 ? reached : [...reached, ...atFullScale]) {
      expect(`${what} ${counts[what] ?? 0}`).not.toBe(`${what} 0`);
    }
  },
  TIMEOUT_MS * Math.max(1, settings.scale),
);
