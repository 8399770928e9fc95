import { expect, test } from "bun:test";
import { GpuPlay } from "../../testing/nvml-play.ts";
import { wellSample, xidEvent } from "../../testing/nvml-script.ts";
import { stepHealth } from "./gpu-health.ts";

/** A reading that began `ageMs` before now, and comes now. */
function readLate(gpu: GpuPlay, ageMs: number, reads: Parameters<typeof wellSample>[2]): void {
  const sample = wellSample(gpu.uuid, gpu.nowMs - ageMs, { ...gpu.reads, ...reads });
  gpu.health = stepHealth(gpu.health, { kind: "sample", sample }, gpu.thresholds);
}

test("a reset that is older than the fault does not end it, and one that is newer does", () => {
  const gpu = new GpuPlay({ eccVolatileCorrected: 9n }).xid(48);
  readLate(gpu, 1, { eccVolatileCorrected: 0n });
  expect(gpu.state("NVMLReady")).toBe("False/XidError");
  gpu.read({ eccVolatileCorrected: 8n }).read({ eccVolatileCorrected: 0n });
  expect(gpu.state("NVMLReady")).toBe("True/Initialized");
});

test("a verdict that is older than the fault says nothing about it", () => {
  const gpu = new GpuPlay().xid(48);
  readLate(gpu, 1, { recoveryAction: 1 });
  gpu.read({ recoveryAction: 0 });
  expect(gpu.state("NVMLReady")).toBe("False/XidError");
});

test("the time between the last bad reading and the first good one is not quiet", () => {
  const { thermalQuietMs } = new GpuPlay().thresholds;
  const gpu = new GpuPlay().read({ temperatureC: 95 });
  // Nobody looked for four seconds: it may have been hot for all of them but the last moment.
  gpu.nowMs += 4_000;
  gpu.read({ temperatureC: 40 }).round(thermalQuietMs - 500);
  expect(gpu.state("ThermalHealthy")).toBe("False/OverTemperature");
  expect(gpu.round().state("ThermalHealthy")).toBe("True/TemperatureOK");
});

test("an Xid that cancels another ends what came before it, and not what came after it", () => {
  const gpu = new GpuPlay({ recoveryAction: undefined }).xid(163);
  const raisedMs = gpu.nowMs;
  const hear = (monoMs: number) => {
    const context = { ignoredXids: new Set<number>(), sharedBy: undefined, unattributedQuietMs: 60_000 };
    const event = xidEvent(162, gpu.uuid, monoMs);
    gpu.health = stepHealth(gpu.health, { kind: "event", event, context }, gpu.thresholds);
    return gpu.state("NVMLReady");
  };
  expect(hear(raisedMs - 1)).toBe("False/XidError");
  expect(hear(raisedMs)).toBe("True/Initialized");
});
