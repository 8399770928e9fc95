import { expect, test } from "bun:test";
import fc from "fast-check";
import { GpuPlay } from "../../testing/nvml-play.ts";
import { GPU_LOST } from "./rules/readiness.ts";

/** What may happen to a GPU, on one line each so that a failure reads as a story. */
const HAPPENINGS: Readonly<Record<string, (gpu: GpuPlay) => unknown>> = {
  "a round": (gpu) => gpu.round(),
  "a quiet minute": (gpu) => gpu.round(60_000),
  "Xid 13": (gpu) => gpu.xid(13),
  "Xid 48": (gpu) => gpu.xid(48),
  "Xid 79": (gpu) => gpu.xid(79),
  "Xid 119": (gpu) => gpu.xid(119),
  "Xid 142": (gpu) => gpu.xid(142),
  "Xid 162": (gpu) => gpu.xid(162),
  "Xid 163": (gpu) => gpu.xid(163),
  "Xid 119 of nobody": (gpu) => gpu.xid(119, {}, 8),
  "an ECC event": (gpu) => gpu.event(0x2n),
  "the driver asks": (gpu) => gpu.read({ recoveryAction: 1 }),
  "the driver asks for nothing": (gpu) => gpu.read({ recoveryAction: 0 }),
  "the driver has no verdict": (gpu) => gpu.read({ recoveryAction: undefined }),
  "an ECC error": (gpu) => gpu.read({ eccVolatileUncorrected: (gpu.reads.eccVolatileUncorrected ?? 0n) + 1n }),
  "counters at 0": (gpu) => gpu.read({ eccVolatileUncorrected: 0n, eccVolatileCorrected: 0n }),
  hot: (gpu) => gpu.read({ temperatureC: 95 }),
  cool: (gpu) => gpu.read({ temperatureC: 40 }),
  lost: (gpu) => gpu.read({ lost: true }),
  back: (gpu) => gpu.read({ lost: false }),
  missing: (gpu) => gpu.missing(),
  "a row that waits": (gpu) =>
    gpu.read({ remappedRows: { corrected: 0, uncorrected: 1, pending: true, failed: false } }),
  "no row that waits": (gpu) =>
    gpu.read({ remappedRows: { corrected: 0, uncorrected: 1, pending: false, failed: false } }),
};

const names = Object.keys(HAPPENINGS);
const story = fc.array(fc.constantFrom(...names), { maxLength: 40 });
const CONDITIONS = ["NVMLReady", "MemoryHealthy", "ThermalHealthy"];
const RUNS = { numRuns: 500 };

function happen(gpu: GpuPlay, name: string): void {
  HAPPENINGS[name]?.(gpu);
}

test("a condition is True only where no fault of it is open", () => {
  fc.assert(
    fc.property(story, (happenings) => {
      const gpu = new GpuPlay();
      for (const name of happenings) {
        happen(gpu, name);
        for (const type of CONDITIONS) {
          const open = [...gpu.health.faults.values()].filter(({ condition }) => condition === type);
          const shown = gpu.condition(type);
          expect(shown?.status === "False").toBe(open.length > 0);
          const gravest = Math.max(...open.map(({ gravity }) => gravity));
          if (open.length > 0) expect(open.some((f) => f.gravity === gravest && f.reason === shown?.reason)).toBe(true);
        }
      }
    }),
    RUNS,
  );
});

test("an Xid that has a fault of its own never ends that of another, but for the one it cancels", () => {
  fc.assert(
    fc.property(story, fc.constantFrom(13, 48, 79, 119, 142, 162, 163), (happenings, code) => {
      const gpu = new GpuPlay();
      for (const name of happenings) happen(gpu, name);
      const before = [...gpu.health.faults.keys()].filter((key) => !(code === 162 && key === "xid:163"));
      gpu.xid(code);
      for (const key of before) expect(gpu.health.faults.has(key)).toBe(true);
    }),
    RUNS,
  );
});

test("a fault that needs a reset is open until a verdict, a reset or a return was seen", () => {
  fc.assert(
    fc.property(story, (happenings) => {
      const gpu = new GpuPlay().xid(142);
      const before = { moved: false, ended: false };
      for (const name of happenings) {
        happen(gpu, name);
        // Xid 142 asks for support: no reset and no return ends it, only what the driver says.
        if (name === "the driver asks" || gpu.reads.recoveryAction === 1) before.moved = true;
        if (!gpu.health.faults.has("xid:142")) before.ended = true;
        if (before.ended) expect(before.moved).toBe(true);
      }
    }),
    RUNS,
  );
});

test("every GPU gets well when all that can end a fault has happened, and by an operator's word", () => {
  fc.assert(
    fc.property(story, (happenings) => {
      const gpu = new GpuPlay();
      for (const name of happenings) happen(gpu, name);
      for (const name of ["back", "no row that waits", "cool", "the driver asks", "the driver asks for nothing"]) {
        happen(gpu, name);
      }
      happen(gpu, "a quiet minute");
      for (const type of CONDITIONS) expect(gpu.state(type)).toStartWith("True/");
      expect(gpu.action).toBe("");

      const other = new GpuPlay();
      for (const name of happenings) happen(other, name);
      expect([...other.clear().health.faults.keys()]).toEqual([]);
    }),
    RUNS,
  );
});

test("a lost GPU says nothing good", () => {
  fc.assert(
    fc.property(story, (happenings) => {
      const gpu = new GpuPlay();
      for (const name of happenings) {
        happen(gpu, name);
        const lost = gpu.health.faults.has("lost") || gpu.health.faults.has("missing");
        if (!lost) continue;
        expect(gpu.state("NVMLReady")).toStartWith(`False/${GPU_LOST}`);
        for (const type of gpu.types) expect(gpu.condition(type)?.status).not.toBe("True");
      }
    }),
    RUNS,
  );
});
