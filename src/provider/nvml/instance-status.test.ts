import { describe, expect, test } from "bun:test";
import { GpuPlay } from "../../testing/nvml-play.ts";
import { roundOf, wellSample, xidEvent } from "../../testing/nvml-script.ts";
import { FLEET_MAX, Fleet } from "./fleet.ts";
import { statusOfInstance } from "./instance-status.ts";
import { instancesLeftOut, objectsOf } from "./objects.ts";
import type { GpuSample, MigInstance } from "./sample.ts";
import { DEFAULT_THRESHOLDS } from "./thresholds.ts";

const OPTIONS = { thresholds: DEFAULT_THRESHOLDS, healthCheck: true };

const instance = (gpuInstance: number, computeInstance = 0): MigInstance => ({
  uuid: `MIG-${gpuInstance}-${computeInstance}`,
  gpuInstance,
  computeInstance,
});

const A = instance(7);
const B = instance(8);
const C = instance(9);
const mig = (...instances: readonly MigInstance[]): Partial<GpuSample> => ({
  mig: { current: 1, pending: 1 },
  instances,
});

/** A GPU in MIG mode with these instances. */
const play = (...instances: readonly MigInstance[]) => new GpuPlay(mig(...instances));

function condition(gpu: GpuPlay, of: MigInstance, type = "NVMLReady") {
  const { healthCheck } = gpu;
  const status = statusOfInstance(gpu.health, of, gpu.outage, { ...OPTIONS, healthCheck });
  return status.conditions.find((candidate) => candidate.type === type);
}

const state = (gpu: GpuPlay, of: MigInstance, type = "NVMLReady") => {
  const found = condition(gpu, of, type);
  return found === undefined ? "absent" : `${found.status}/${found.reason}`;
};
const states = (gpu: GpuPlay, ...of: readonly MigInstance[]) => of.map((one) => state(gpu, one).split("/")[0]);

describe("an instance", () => {
  test("says where it is, and nothing of the mode", () => {
    const gpu = play(A).read({ mig: { current: 1, pending: 0 } });
    expect(gpu.message("NVMLReady")).toContain("MIG enabled, disabled after the next reset");
    expect(condition(gpu, A)?.message).toBe(
      `GPU instance 7, compute instance 0 of ${gpu.uuid}: NVIDIA H100 80GB HBM3 at 00000000:A1:00.0`,
    );
    const untold: MigInstance = { uuid: "MIG-x", gpuInstance: undefined, computeInstance: undefined };
    expect(condition(gpu, untold)?.message).toStartWith(`MIG instance of ${gpu.uuid}: `);
  });

  test.each([
    ["memory", { remappedRows: { corrected: 0, uncorrected: 1, pending: true, failed: false } }, "MemoryHealthy"],
    ["temperature", { temperatureC: 99 }, "ThermalHealthy"],
    ["power", { clockReasons: 0x80n }, "PowerHealthy"],
    ["verdict", { recoveryAction: 1 }, "NVMLReady"],
    ["loss", { lost: true }, "NVMLReady"],
  ] as const)("has its GPU's fault of %s", (_, reads, type) => {
    const gpu = play(A, B).read(reads);
    expect([A, B].map((one) => state(gpu, one, type))).toEqual([gpu.state(type), gpu.state(type)]);
    expect(gpu.state(type)).toStartWith("False/");
    expect(condition(gpu, A, type)?.message).toBe(
      `GPU instance 7, compute instance 0 of ${gpu.uuid}: ${gpu.message(type)}`,
    );
  });

  test("has nothing of NVLink and fabric, whatever is wrong there", () => {
    const gpu = play(A).read({ nvLinks: [], fabric: { state: 1, status: 0, healthMask: 0 } });
    expect(gpu.state("FabricHealthy")).toStartWith("False/");
    for (const type of ["NVLinkHealthy", "FabricHealthy"]) expect(state(gpu, A, type)).toBe("absent");
    expect(states(gpu, A)).toEqual(["True"]);
  });

  test("is Unknown with the server's view of the driver, and shows NVMLReady alone without health checks", () => {
    const gpu = play(A);
    gpu.outage = { reason: "DriverUnresponsive", message: "a call hangs" };
    expect(state(gpu, A)).toBe("Unknown/DriverUnresponsive");
    gpu.outage = undefined;
    gpu.healthCheck = false;
    expect(state(gpu, A, "MemoryHealthy")).toBe("absent");
    expect(condition(gpu, A)?.message).toEndWith("health checks are off");
  });

  test("whose list cannot be read stays, and is Unknown from the second time on; its GPU is well", () => {
    const failures = [{ call: "nvmlDeviceGetMigDeviceHandleByIndex", code: 999 }];
    const gpu = play(A).read({ failures, instances: undefined });
    expect(gpu.health.known?.instances).toEqual([A]);
    expect(states(gpu, A)).toEqual(["True"]);
    expect(state(gpu.round(), A)).toBe("Unknown/ReadingFailed");
    expect(gpu.state("NVMLReady")).toBe("True/Initialized");
    expect(states(gpu.read({ failures: [], instances: [A] }), A)).toEqual(["True"]);
  });
});

describe("an Xid of one GPU instance", () => {
  test("is a fault of that one and of the GPU, which names it, and of no other", () => {
    const gpu = play(A, B, C).xid(95, { gpuInstance: 8, computeInstance: 0 });
    expect(states(gpu, A, B, C)).toEqual(["True", "False", "True"]);
    expect(gpu.state("NVMLReady")).toBe("False/XidError");
    expect(gpu.message("NVMLReady")).toContain(", MIG GPU instance 8, compute instance 0 (MIG-8-0)");
    const actions = [A, B].map((one) => statusOfInstance(gpu.health, one, undefined, OPTIONS).action);
    expect(actions).toEqual(["", "COMPONENT_RESET"]);
  });

  test("is one of all its compute instances", () => {
    const second = instance(7, 1);
    const gpu = play(A, second, B).xid(95, { gpuInstance: 7, computeInstance: 1 });
    expect(states(gpu, A, second, B)).toEqual(["False", "False", "True"]);
    expect(gpu.message("NVMLReady")).toContain("(MIG-7-1)");
    expect(play(A, second, B).xid(95, { gpuInstance: 7 }).message("NVMLReady")).toContain("(MIG-7-0, MIG-7-1)");
  });

  test("stands beside the same Xid of another, and each ends as it says", () => {
    const gpu = new GpuPlay({ ...mig(A, B, C), recoveryAction: undefined });
    gpu.xid(163, { gpuInstance: 7 }).xid(163, { gpuInstance: 8 });
    expect(states(gpu, A, B, C)).toEqual(["False", "False", "True"]);
    expect(gpu.message("NVMLReady")).toContain("also open: Xid 163 on GPU instance 7");
    gpu.xid(162, { gpuInstance: 8 });
    expect(states(gpu, A, B, C)).toEqual(["False", "True", "True"]);
    gpu.xid(162);
    expect(states(gpu, A, B, C)).toEqual(["True", "True", "True"]);
    expect(gpu.state("NVMLReady")).toBe("True/Initialized");
  });

  test("hits instances that are made later, and those that come back, for they may lie where it was", () => {
    const gpu = play(A, B).xid(95, { gpuInstance: 7 });
    expect(states(gpu.read(mig(A, B, C)), A, B, C)).toEqual(["False", "True", "False"]);
    gpu.read(mig(C)).read(mig(B, C));
    expect(states(gpu, B, C)).toEqual(["False", "False"]);
    expect(states(gpu.recovered(), B, C)).toEqual(["True", "True"]);
  });

  test("keeps sparing the others while the list cannot be read", () => {
    const gpu = play(A, B).xid(95, { gpuInstance: 7 });
    gpu.read({ instances: undefined, failures: [{ call: "nvmlDeviceGetMigMode", code: 999 }] });
    expect(states(gpu, A, B)).toEqual(["False", "True"]);
  });

  test("is the whole GPU's where no round has shown the instance, and where the GPU fell off the bus", () => {
    expect(states(play(A, B).xid(95, { gpuInstance: 11 }), A, B)).toEqual(["False", "False"]);
    expect(states(play(A, B).xid(79, { gpuInstance: 7 }), A, B)).toEqual(["False", "False"]);
  });

  test("is the whole GPU's where it named no GPU", () => {
    expect(states(play(A, B).xid(95, { gpuInstance: 7 }, 2), A, B)).toEqual(["False", "False"]);
  });

  test("leaves an instance healthy where it is an application's", () => {
    expect(states(play(A, B).xid(31, { gpuInstance: 7 }), A, B)).toEqual(["True", "True"]);
  });
});

describe("the fleet", () => {
  const uuidOf = (gpu: number) => `GPU-0${gpu}`;

  function setUp(...gpus: readonly (readonly MigInstance[])[]) {
    const fleet = new Fleet({ thresholds: DEFAULT_THRESHOLDS, ignoredXids: new Set() });
    const samples = gpus.map((instances, gpu) => wellSample(uuidOf(gpu), 500, mig(...instances)));
    fleet.onRound(roundOf(500, samples));
    return { fleet, objects: () => objectsOf(fleet.gpus, undefined, OPTIONS) };
  }

  const bad = (objects: ReturnType<typeof objectsOf>) =>
    [...objects]
      .filter(([, { conditions }]) => conditions.some(({ status }) => status === "False"))
      .map(([name]) => name);

  test("has the GPUs and then their instances, each under its UUID", () => {
    expect([...setUp([A, B], [C]).objects().keys()]).toEqual(["GPU-00", "GPU-01", A.uuid, B.uuid, C.uuid]);
  });

  test("takes no instance whose UUID is no name or another's, and has an end", () => {
    const strange = ["", "MIG-GPU-1/7/0", "GPU-01", A.uuid].map((uuid) => ({ ...B, uuid }));
    expect([...setUp([A], strange).objects().keys()]).toEqual(["GPU-00", "GPU-01", A.uuid]);
    const many = Array.from({ length: FLEET_MAX + 10 }, (_, i) => instance(i));
    const { fleet, objects } = setUp(many, []);
    expect(objects().size).toBe(FLEET_MAX);
    expect(instancesLeftOut(fleet.gpus)).toBe(12);
    expect(instancesLeftOut(setUp(many.slice(12), []).fleet.gpus)).toBe(0);
  });

  test("an operator's word about an instance ends what is that one's alone", () => {
    const { fleet, objects } = setUp([A, B], [C]);
    fleet.onEvent({ ...xidEvent(95, uuidOf(0), 600), gpuInstance: 7 });
    fleet.onEvent({ ...xidEvent(95, uuidOf(0), 601), gpuInstance: 8 });
    fleet.onEvent(xidEvent(119, uuidOf(1), 602));
    expect(bad(objects())).toEqual([uuidOf(0), uuidOf(1), A.uuid, B.uuid, C.uuid]);
    expect(fleet.clear(A.uuid, "MemoryHealthy")).toBe(true);
    expect(bad(objects())).toContain(A.uuid);
    expect(fleet.clear(A.uuid, undefined)).toBe(true);
    expect(bad(objects())).toEqual([uuidOf(0), uuidOf(1), B.uuid, C.uuid]);
    // The fault of the whole GPU is cleared at the GPU.
    expect(fleet.clear(C.uuid, undefined)).toBe(true);
    expect(bad(objects())).toContain(C.uuid);
    expect(fleet.clear("MIG-none", undefined)).toBe(false);
    fleet.clear(uuidOf(0), undefined);
    fleet.clear(uuidOf(1), undefined);
    expect(bad(objects())).toEqual([]);
  });
});
