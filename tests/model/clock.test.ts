import { drainMicrotasks } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import type { CancelScope } from "../../src/base/cancel-scope.ts";
import { UNBOUNDED } from "../../src/base/cancel-scope.ts";
import { StatusError } from "../../src/base/status-error.ts";
import type { Command, PlainWriter, VisibleGpu } from "../../src/testing/commands.ts";
import { BOUND, generateHistory } from "../../src/testing/generate.ts";
import { Prng } from "../../src/testing/prng.ts";
import { runSettings } from "../../src/testing/run-settings.ts";
import { StoreHarness } from "../../src/testing/store-harness.ts";
import { readList } from "../../src/testing/wire-view.ts";

/** T-CLK-1: the wall clock leaps to and fro, the monotonic clock does not. */

const LEASE_MS = 10_000;
const TRANSACTION_MAX_MS = 5_000;
const RUNS = 300;
const COMMANDS = 50;

const { seed, scale } = runSettings(process.env);
const PROVIDER: PlainWriter = { identity: "uid:1000", superuser: false, id: "dcgm" };

const createHarness = () =>
  new StoreHarness({ leaseMs: LEASE_MS, bound: BOUND, history: { events: 1_000, bytes: 1 << 24 } });

/** Up to an hour in either direction, to the microsecond. */
function leap(prng: Prng, { time }: StoreHarness): void {
  time.wallOffsetUs += prng.below(7_200_000_001) - 3_600_000_000;
}

function read({ store }: StoreHarness): { readonly version: number; readonly gpus: readonly VisibleGpu[] } {
  const reply = store.read(UNBOUNDED, (view) => view.snapshot().reply);
  if (reply instanceof Promise) throw new Error("a read without a writer had to wait");
  return readList(reply);
}

/** Every run from a seed of its own, which a failure names. */
function forEachSeed(what: string, play: (prng: Prng) => void): void {
  const runs = Math.ceil(RUNS * scale);
  for (let run = 0; run < runs; run++) {
    try {
      play(new Prng(seed + run));
    } catch (error) {
      throw new Error(`run ${run} of seed ${seed}: ${error instanceof Error ? error.message : error}`);
    }
  }
  console.log(`T-CLK-1: ${what}: ${runs} runs, seed ${seed}`);
}

describe("while the wall clock leaps by up to an hour", () => {
  test("a lease runs out exactly when its time on the monotonic clock is up", () => {
    forEachSeed("leases", (prng) => {
      using harness = createHarness();
      const status = { conditions: [{ type: "Memory", status: "True", reason: "", message: "" }], action: "" } as const;
      harness.write({ do: "write", steps: [{ do: "register", as: PROVIDER, name: "a", uuid: "", status }] });
      harness.write({ do: "write", steps: [{ do: "heartbeat", as: PROVIDER }] });
      for (let beat = 0; beat < 5; beat++) {
        leap(prng, harness);
        harness.pass(prng.below(LEASE_MS - 1));
        leap(prng, harness);
        harness.write({ do: "write", steps: [{ do: "heartbeat", as: PROVIDER }] });
      }
      const steps = 1 + prng.below(5);
      for (let left = LEASE_MS - 1, i = steps; i > 0; i--) {
        const part = i === 1 ? left : prng.below(left + 1);
        leap(prng, harness);
        harness.pass(part);
        left -= part;
      }
      expect(read(harness).gpus[0]?.conditions.map((condition) => condition.status)).toEqual(["True", "True"]);
      leap(prng, harness);
      harness.pass(1);
      expect(read(harness).gpus[0]?.conditions.map((condition) => condition.status)).toEqual(["Unknown", "Unknown"]);
      expect(harness.write({ do: "write", steps: [{ do: "heartbeat", as: PROVIDER }] })).toEqual([
        { acknowledged: false },
      ]);
    });
  });

  test("a reader that waits gives up exactly at its deadline, and a transaction is taken back at its limit", () => {
    forEachSeed("deadlines", (prng) => {
      using harness = createHarness();
      const { store, time } = harness;
      harness.pass(prng.below(LEASE_MS));
      leap(prng, harness);
      const register = { do: "register", as: PROVIDER, name: "a", uuid: "" } as const;
      const waitMs = 1 + prng.below(TRANSACTION_MAX_MS - 1);
      const scope: CancelScope = { deadlineMs: time.monotonicMs() + waitMs, cancelled: false, onCancel: () => {} };
      const before = store.stats().version;
      let early: string | undefined;
      let patient: number | undefined;
      const answer = harness.writeHeld({ do: "write", steps: [register] }, 0, () => {
        const outcome = store.read(scope, () => "read");
        if (!(outcome instanceof Promise)) throw new Error("a reader passed an open transaction");
        outcome.then(
          (text) => (early = text),
          (error) => (early = error instanceof StatusError ? error.code : String(error)),
        );
        const other = store.read(UNBOUNDED, (view) => view.version);
        if (other instanceof Promise) other.then((version) => (patient = version));
        leap(prng, harness);
        harness.pass(waitMs - 1);
        expect(early).toBeUndefined();
        leap(prng, harness);
        harness.pass(1);
        expect(early).toBe("DEADLINE_EXCEEDED");
        harness.pass(TRANSACTION_MAX_MS - waitMs - 1);
        expect(patient).toBeUndefined();
        leap(prng, harness);
        if (prng.chance(50)) harness.pass(1);
      });
      drainMicrotasks();
      const takenBack = "code" in answer;
      expect(answer).toEqual(takenBack ? { code: "ABORTED" } : [{ created: true, version: before + 1 }]);
      expect(patient).toBe(takenBack ? before : before + 1);
    });
  });

  test("no condition's time goes back or moves without its status, and versions rise by one for each change", () => {
    let compared = 0;
    forEachSeed("timestamps", (prng) => {
      using harness = createHarness();
      let last = read(harness);
      for (const command of generateHistory(prng, "usual", COMMANDS)) {
        leap(prng, harness);
        play(harness, command);
        const next = read(harness);
        compared += compareTimes(last.gpus, next.gpus);
        expect(next.version).toBeGreaterThanOrEqual(last.version);
        for (const gpu of next.gpus) {
          const old = last.gpus.find(({ name }) => name === gpu.name);
          const same = Bun.deepEquals({ ...old, version: 0 }, { ...gpu, version: 0 }, true);
          if (same) expect(gpu.version).toBe(old?.version ?? 0);
          else expect(gpu.version).toBeGreaterThan(last.version);
          expect(gpu.version).toBeLessThanOrEqual(next.version);
        }
        last = next;
      }
    });
    expect(compared).toBeGreaterThan(RUNS * scale);
  });

  test("the counter starts at the wall clock's microseconds and never follows it afterwards", () => {
    forEachSeed("versions", (prng) => {
      using harness = createHarness();
      let expected = harness.time.wallUs();
      expect(read(harness).version).toBe(expected);
      for (let i = 0; i < 20; i++) {
        leap(prng, harness);
        harness.write({ do: "write", steps: [{ do: "register", as: PROVIDER, name: `gpu-${i}`, uuid: "" }] });
        expect(read(harness).version).toBe(++expected);
      }
    });
  });
});

function play(harness: StoreHarness, command: Command): void {
  if (command.do === "pass") harness.pass(command.ms);
  else if (command.do === "leap") harness.time.wallOffsetUs += command.seconds * 1_000_000;
  else if (command.heldMs === undefined) harness.write(command);
  else harness.writeHeld(command, command.heldMs, () => {});
}

/** Compares every condition that was and is there, and returns how many moved. */
function compareTimes(before: readonly VisibleGpu[], after: readonly VisibleGpu[]): number {
  let moved = 0;
  for (const gpu of after) {
    const old = before.find(({ name }) => name === gpu.name);
    for (const condition of gpu.conditions) {
      const earlier = old?.conditions.find(({ type }) => type === condition.type);
      if (earlier === undefined) continue;
      const path = `${gpu.name} ${condition.type} ${earlier.status} to ${condition.status}`;
      if (condition.since < earlier.since) throw new Error(`${path}: its time went back`);
      if (condition.since === earlier.since) continue;
      if (condition.status === earlier.status) throw new Error(`${path}: its time moved without its status`);
      moved++;
    }
  }
  return moved;
}
