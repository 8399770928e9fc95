import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Condition, type Gpu, GpuService, type WatchGpusResponse } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { waitsForEvents } from "../support/nvml-events.ts";
import { type StreamReader, TestClient } from "../support/test-client.ts";

/** The compiled binary on the scripted library: what consumers see of a fault, and of the way back. */

const { getGpu, listGpus, watchGpus } = GpuService.method;
const GPUS = 4;

let fake: FakeNvml;
let binary: RunningBinary;
let client: TestClient;
let watch: StreamReader<WatchGpusResponse>;
/** The latest state of each GPU, as the watch tells it. */
let seen: Map<string, Gpu>;
let names: readonly string[];

beforeEach(async () => {
  fake = createFakeNvml({ gpus: GPUS });
  await start();
});

afterEach(async () => {
  client[Symbol.dispose]();
  await binary.stop();
  fake[Symbol.dispose]();
});

async function start(): Promise<void> {
  const flags = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`, "--nvml-period=200ms"];
  binary = await spawnBinary(flags, fake.env);
  client = new TestClient(binary.unixTarget);
  watch = client.stream(watchGpus, {});
  seen = new Map();
  names = (await client.call(listGpus, {})).gpuList?.items.map((gpu) => gpu.metadata?.name ?? "") ?? [];
}

const conditionOf = (name: string, type: string): Condition | undefined =>
  seen.get(name)?.status?.conditions.find((condition) => condition.type === type);

/** Follows the watch until the condition holds for the latest states. */
async function until(holds: () => boolean, what: string): Promise<void> {
  let read = 0;
  const catchUp = () => {
    for (; read < watch.messages.length; read++) {
      const { type, object } = watch.messages[read] ?? {};
      const name = object?.metadata?.name ?? "";
      if (type === "DELETED") seen.delete(name);
      else if (object !== undefined) seen.set(name, object);
    }
    return holds();
  };
  await watch.until(catchUp, what);
}

/** The sampler has to see each step: so many rounds have begun and ended since. */
async function rounds(count: number): Promise<void> {
  const begun = () => fake.calls("nvmlDeviceGetCount_v2");
  const wanted = begun() + count + 1;
  while (begun() < wanted) await Bun.sleep(20);
}

const is = (name: string, type: string, status: string, reason?: string) => {
  const found = conditionOf(name, type);
  return found?.status === status && (reason === undefined || found.reason === reason);
};

describe("a node with GPUs", () => {
  test("shows each under its UUID, ready, with the conditions that its hardware has", async () => {
    expect(names.length).toBe(GPUS);
    const gpu = (await client.call(getGpu, { name: names[0] ?? "" })).gpu;
    expect(gpu?.spec?.uuid).toBe(names[0] ?? "");
    expect(gpu?.status?.conditions.map(({ type, status }) => `${type}=${status}`)).toEqual([
      "Ready=True",
      "FabricHealthy=True",
      "MemoryHealthy=True",
      "NVLinkHealthy=True",
      "NVMLReady=True",
      "PowerHealthy=True",
      "ThermalHealthy=True",
    ]);
    expect(await binary.metric("device_api_server_nvml_provider_enabled")).toBe(1);
    expect(await binary.metric("device_api_server_nvml_gpu_count")).toBe(GPUS);
    expect(await binary.metric("device_api_server_nvml_health_monitor_running")).toBe(1);
  });

  test("that are lost all at once change at versions that follow each other", async () => {
    await until(() => seen.size === GPUS, "the snapshot");
    const before = watch.messages.length;
    fake.command("gpu all lost=1");
    await until(() => names.every((name) => is(name, "Ready", "False")), "all are lost");
    const versions = watch.messages.slice(before).map(({ object }) => object?.resourceVersion ?? 0n);
    expect(versions.slice(0, GPUS)).toEqual(versions.slice(0, GPUS).map((_, i) => (versions[0] ?? 0n) + BigInt(i)));
    for (const name of names) expect(conditionOf(name, "NVMLReady")?.reason).toBe("GPULost");
    fake.command("gpu all reset");
    await until(() => names.every((name) => is(name, "Ready", "True")), "all are back");
  });
});

describe("a fault of one GPU", () => {
  /** [fault, condition, reason, advice, way back]; the ready GPU is the same for all. */
  const faults: readonly (readonly [string, string, string, string, string])[] = [
    ["xid 1 95", "NVMLReady", "XidError", "COMPONENT_RESET", "gpu 1 recovery_action=1; gpu 1 recovery_action=0"],
    ["gpu 1 lost=1", "NVMLReady", "GPULost", "", "gpu 1 reset"],
    ["gpu 1 ecc_volatile_uncorrected=+1", "MemoryHealthy", "", "", "gpu 1 reset"],
    ["gpu 1 remap_pending=1", "MemoryHealthy", "", "COMPONENT_RESET", "gpu 1 reset"],
  ];
  for (const [fault, type, reason, advice, wayBack] of faults) {
    test(`${fault}: ${type} False with what clears it, and back after ${wayBack}`, async () => {
      await until(() => names.every((name) => is(name, "Ready", "True")), "the snapshot");
      await waitsForEvents(fake);
      fake.command(fault);
      const bad = () => names.filter((name) => is(name, "Ready", "False") && is(name, type, "False"));
      await until(() => bad().length > 0, "the fault");
      const [name = "", ...others] = bad();
      expect(others).toEqual([]);
      if (reason !== "") expect(conditionOf(name, type)?.reason).toBe(reason);
      expect(conditionOf(name, type)?.message).toContain("cleared by: ");
      if (advice !== "") expect(seen.get(name)?.status?.recommendedAction).toBe(advice);
      for (const step of wayBack.split("; ")) {
        fake.command(step);
        await rounds(2);
      }
      await until(() => is(name, "Ready", "True"), "the way back");
      expect(seen.get(name)?.status?.recommendedAction).toBe("");
    });
  }

  test("that is an application's leaves the GPU healthy", async () => {
    await until(() => names.every((name) => is(name, "Ready", "True")), "the snapshot");
    await waitsForEvents(fake);
    fake.command("xid 1 31");
    fake.command("xid 2 79");
    const bad = () => names.filter((name) => !is(name, "Ready", "True"));
    await until(() => bad().length > 0, "the graver fault beside it");
    expect(bad().length).toBe(1);
  });
});

describe("a driver in trouble", () => {
  test("that hangs: GPUs are Unknown, reads are served, and a new host process brings them back", async () => {
    await until(() => seen.size === GPUS, "the snapshot");
    fake.command("fault nvmlDeviceGetTemperature hang times=1");
    const unknown = (name: string) => is(name, "Ready", "Unknown", "DriverUnresponsive");
    await until(() => names.every(unknown), "all are Unknown");
    expect(conditionOf(names[0] ?? "", "NVMLReady")?.message).toContain("nvmlDeviceGetTemperature");
    expect((await client.call(listGpus, {})).gpuList?.items.length).toBe(GPUS);
    await until(() => names.every((name) => is(name, "Ready", "True")), "all are back");
  });

  test("that crashes its process: GPUs are Unknown, the server serves, and they come back", async () => {
    await until(() => seen.size === GPUS, "the snapshot");
    fake.command("fault nvmlDeviceGetPowerUsage crash times=1");
    await until(() => names.every((name) => is(name, "Ready", "Unknown", "NVMLHostCrashed")), "all are Unknown");
    expect(conditionOf(names[0] ?? "", "NVMLReady")?.message).toContain("nvmlDeviceGetPowerUsage");
    expect((await client.call(listGpus, {})).gpuList?.items.length).toBe(GPUS);
    await until(() => names.every((name) => is(name, "Ready", "True")), "all are back");
  });

  test("that hangs for ever does not keep the server from ending", async () => {
    await until(() => seen.size === GPUS, "the snapshot");
    fake.command("fault all hang");
    await until(() => names.every((name) => is(name, "Ready", "Unknown")), "all are Unknown");
    binary.process.kill("SIGTERM");
    expect(await binary.process.exited).toBe(0);
  });
});

test("a driver that is installed while the server runs is found without a restart", async () => {
  client[Symbol.dispose]();
  await binary.stop();
  fake.install({ kind: "none" });
  await start();
  expect(names).toEqual([]);
  expect(await binary.metric("device_api_server_nvml_health_monitor_running")).toBe(0);
  fake.install({ kind: "whole" });
  await until(() => seen.size === GPUS && [...seen.keys()].every((name) => is(name, "Ready", "True")), "the GPUs");
});
