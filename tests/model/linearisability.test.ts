import { expect, test } from "bun:test";
import { GPU_REGISTER } from "../../src/testing/gpu-register.ts";
import { whyNotLinearisable } from "../../src/testing/linearisability.ts";
import { runSettings } from "../../src/testing/run-settings.ts";
import { describeCounts } from "../../src/testing/shards.ts";
import { whyNoSnapshots } from "../../src/testing/snapshot-check.ts";
import { spawnBinary } from "../support/binary.ts";
import { type GpuHistory, playHistory } from "../support/gpu-history.ts";
import { connectHttp2 } from "../support/http2-client.ts";

/** T-LIN-1: G6 and G7, from outside of the compiled binary. */

/** Half of what `just test-long` plays. */
const HISTORIES = 100;
const CALLS = 1_000;
const CLIENTS = 8;
/** Against hangs only; the scale of a night goes with it. */
const TIMEOUT_MS = 300_000;

const settings = runSettings(process.env);

test(
  "eight clients at once see one GPU after the other change at one moment each, and lists of one moment",
  async () => {
    const started = performance.now();
    await using binary = await spawnBinary([]);
    await using stack = new AsyncDisposableStack();
    const clients = Array.from({ length: CLIENTS }, () => stack.use(connectHttp2(binary.socket)));
    const histories = Math.ceil(HISTORIES * settings.scale);
    const counts: Record<string, number> = { histories };
    let checkMs = 0;
    for (let run = 0; run < histories; run++) {
      const history = await playHistory(clients, settings.seed + run, CALLS);
      const checkStarted = performance.now();
      const failure = whyWrong(history);
      checkMs += performance.now() - checkStarted;
      if (failure !== undefined) throw new Error(`history ${run} of seed ${settings.seed}: ${failure}`);
      count(counts, history);
    }
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    const checked = (checkMs / 1_000).toFixed(1);
    console.log(`T-LIN-1: seed ${settings.seed}, ${seconds} s, ${checked} of them checks: ${describeCounts(counts)}`);
    for (const what of ["register", "unregister", "status", "condition", "read", "not found", "lists", "overlaps"]) {
      expect(`${what} ${counts[what] ?? 0}`).not.toBe(`${what} 0`);
    }
  },
  TIMEOUT_MS * Math.max(1, settings.scale),
);

function whyWrong({ calls, start, events, answers }: GpuHistory): string | undefined {
  for (const [name, operations] of calls) {
    const why = whyNotLinearisable(operations, GPU_REGISTER);
    if (why !== undefined) return `${name}: ${why}`;
  }
  return whyNoSnapshots(start, events, answers);
}

/** A test of calls that never met, or that all failed, would show nothing. */
function count(counts: Record<string, number>, { calls, events, answers }: GpuHistory): void {
  const add = (what: string, times = 1) => {
    counts[what] = (counts[what] ?? 0) + times;
  };
  for (const operations of calls.values()) {
    for (const { call, invokedAt, returnedAt } of operations) {
      add(call.do);
      if ((call.do === "status" || call.do === "condition") && call.version === undefined) add("not found");
      if (returnedAt - invokedAt > 1) add("overlaps");
    }
  }
  add("lists", answers.filter(({ list }) => list !== undefined).length);
  add("events", events.length);
}
