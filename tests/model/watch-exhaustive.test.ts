import { expect, test } from "bun:test";
import { exploreWatches } from "../../src/testing/explore-watches.ts";

/** T-EXH-1, with T-MUT-1 on the way. */

const DEPTH = 8;
/** Against hangs only. */
const TIMEOUT_MS = 100_000;

test(
  "in every state of 2 objects, 2 watchers and a history of 3 events up to 8 commands deep, no watch promise is broken",
  () => {
    const started = performance.now();
    const { states, transitions, byDepth } = exploreWatches(DEPTH);
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    console.log(
      `T-EXH-1: ${states} states, ${transitions} transitions, ${seconds} s; new by depth: ${byDepth.join(" ")}`,
    );
    // Fewer would mean that commands got lost, and with them what they are to try.
    expect(states).toBeGreaterThan(3_000);
  },
  TIMEOUT_MS,
);
