import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Condition, type Gpu, GpuService, type WatchGpusResponse } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { waitsForEvents } from "../support/nvml-events.ts";
import { type StreamReader, TestClient } from "../support/test-client.ts";

/** The compiled binary on the scripted library, with GPUs in MIG mode. */

const { listGpus, watchGpus } = GpuService.method;
/** Places of the scripted machine: the first GPU has three instances, the second none, the third two. */
const SETUP = ["mig 0 on 0,2,6", "mig 2 on 1-2"];
const GPUS = 3;
const INSTANCES = 5;

let fake: FakeNvml;
let binary: RunningBinary | undefined;
let client: TestClient;
let watch: StreamReader<WatchGpusResponse>;
let seen: Map<string, Gpu>;
let read: number;

beforeEach(() => {
  fake = createFakeNvml({ gpus: GPUS });
  for (const line of SETUP) fake.command(line);
});

afterEach(async () => {
  if (binary !== undefined) client[Symbol.dispose]();
  await binary?.stop();
  binary = undefined;
  fake[Symbol.dispose]();
});

async function start(...flags: readonly string[]): Promise<void> {
  const always = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`, "--nvml-period=200ms"];
  binary = await spawnBinary([...always, ...flags], fake.env);
  client = new TestClient(binary.unixTarget);
  watch = client.stream(watchGpus, {});
  seen = new Map();
  read = 0;
}

/** Follows the watch until the condition holds for the latest states. */
async function until(holds: () => boolean, what: string): Promise<void> {
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

const names = (kind: "GPU" | "MIG") => [...seen.keys()].filter((name) => name.startsWith(`${kind}-`));

function conditionOf(name: string, type: string): Condition | undefined {
  return seen.get(name)?.status?.conditions.find((condition) => condition.type === type);
}

const isReady = (name: string) => conditionOf(name, "Ready")?.status === "True";
const notReady = () => [...seen.keys()].filter((name) => !isReady(name));
const messageOf = (name: string) => conditionOf(name, "NVMLReady")?.message ?? "";

/** The GPU of an instance, as its message tells it. */
const gpuOf = (instance: string) => / of (GPU-[-0-9a-f]+): /.exec(messageOf(instance))?.[1] ?? "";

/** Instances by GPU; the GPU with three of them first. */
function instances(): readonly (readonly [gpu: string, of: readonly string[]])[] {
  const all = names("GPU").map((gpu) => [gpu, names("MIG").filter((name) => gpuOf(name) === gpu)] as const);
  return all.toSorted(([, a], [, b]) => b.length - a.length);
}

async function untilAllReady(): Promise<void> {
  await until(() => seen.size === GPUS + INSTANCES && notReady().length === 0, "all are there and ready");
}

/** Types and names of what the watch told since, and whether the versions follow each other without a gap. */
function since(count: number) {
  const events = watch.messages.slice(count);
  const versions = events.map(({ object }) => object?.resourceVersion ?? 0n);
  return { events, gapless: versions.every((version, i) => i === 0 || version === (versions[i - 1] ?? 0n) + 1n) };
}

describe("with --nvml-mig", () => {
  beforeEach(async () => {
    await start("--nvml-mig");
    await untilAllReady();
    await waitsForEvents(fake);
  });

  test("each instance is an object under its own UUID, beside its GPU, with what it has of it", async () => {
    const items = (await client.call(listGpus, {})).gpuList?.items ?? [];
    expect(items.map(({ spec }) => spec?.uuid ?? "")).toEqual(items.map(({ metadata }) => metadata?.name ?? ""));
    expect([names("GPU").length, names("MIG").length]).toEqual([GPUS, INSTANCES]);
    expect(instances().map(([, of]) => of.length)).toEqual([3, 2, 0]);
    const [gpu = "", [instance = ""] = []] = instances()[0] ?? [];
    expect(seen.get(instance)?.status?.conditions.map(({ type, status }) => `${type}=${status}`)).toEqual([
      "Ready=True",
      "MemoryHealthy=True",
      "NVMLReady=True",
      "PowerHealthy=True",
      "ThermalHealthy=True",
    ]);
    expect(messageOf(instance)).toContain(`compute instance 0 of ${gpu}: NVIDIA H100`);
    expect(await binary?.metric("device_api_server_nvml_gpu_count")).toBe(GPUS);
    expect(await binary?.metric("device_api_server_cache_gpus_total")).toBe(GPUS + INSTANCES);
  });

  test("an Xid on one instance takes out that one and its GPU, which names it, and no other", async () => {
    const [gpu = "", of = []] = instances()[0] ?? [];
    // Place 2 of the machine is GPU instance 9.
    const hit = of.find((name) => messageOf(name).startsWith("GPU instance 9,")) ?? "";
    fake.command("xid 0 95 gpu_instance=9 compute_instance=0");
    await until(() => !isReady(gpu) && !isReady(hit), "the fault");
    expect(notReady().toSorted()).toEqual([gpu, hit].toSorted());
    expect(messageOf(gpu)).toContain(`MIG GPU instance 9, compute instance 0 (${hit})`);
    expect(messageOf(hit)).toStartWith(`GPU instance 9, compute instance 0 of ${gpu}: Xid 95`);
    expect(seen.get(hit)?.status?.recommendedAction).toBe("COMPONENT_RESET");

    // An instance that is made now may lie where the fault is.
    fake.command("mig 0 create 5");
    await until(() => names("MIG").length === INSTANCES + 1, "a new instance");
    expect(notReady().length).toBe(3);

    fake.command("gpu 0 recovery_action=2");
    await until(() => notReady().length === 5, "the driver's verdict is about the whole GPU");
    fake.command("gpu 0 recovery_action=0");
    await until(() => notReady().length === 0, "the way back");
  });

  test("a fault of the whole GPU takes out all its instances and none of another, in one transaction", async () => {
    const [gpu = "", of = []] = instances()[0] ?? [];
    const before = watch.messages.length;
    fake.command("gpu 0 lost=1");
    await until(() => notReady().length === 4, "the loss");
    expect(notReady().toSorted()).toEqual([gpu, ...of].toSorted());
    const { events, gapless } = since(before);
    expect([events.length, gapless]).toEqual([4, true]);
    for (const name of of) expect(conditionOf(name, "NVMLReady")?.reason).toBe("GPULost");
    fake.command("gpu 0 lost=0");
    await until(() => notReady().length === 0, "the way back");

    fake.command("xid 2 79");
    await until(() => notReady().length === 3, "an Xid without an instance");
  });

  test("a mode that is switched takes its instances away, or brings them, each in one transaction", async () => {
    const [gpu = "", of = []] = instances()[0] ?? [];
    // A mode that waits for a reset changes nothing but the GPU's message.
    fake.command("gpu 0 mig_pending=0");
    await until(() => messageOf(gpu).includes("disabled after the next reset"), "the pending mode");
    expect(names("MIG").length).toBe(INSTANCES);

    let before = watch.messages.length;
    fake.command("mig 0 off");
    await until(() => seen.size === GPUS + 2 && !messageOf(gpu).includes("MIG"), "the instances are gone");
    const off = since(before);
    const deleted = off.events.filter(({ type }) => type === "DELETED");
    expect(deleted.map(({ object }) => object?.metadata?.name ?? "").toSorted()).toEqual(of.toSorted());
    expect([off.events.length, off.gapless]).toEqual([4, true]);

    before = watch.messages.length;
    fake.command("mig 0 on 0-6");
    await until(() => seen.size === GPUS + 2 + 7, "seven instances");
    const on = since(before);
    expect(on.events.map(({ type }) => type).toSorted()).toEqual([...Array(7).fill("ADDED"), "MODIFIED"]);
    expect(on.gapless).toBe(true);
    expect(notReady()).toEqual([]);

    // Another layout: those that go are gone before others come.
    before = watch.messages.length;
    fake.command("mig 2 on 4,5");
    await until(() => since(before).events.length >= 4, "two others");
    expect(since(before).events.map(({ type }) => type)).toEqual(["DELETED", "DELETED", "ADDED", "ADDED"]);
  });

  test("a list that cannot be read leaves the instances there, Unknown, until it can", async () => {
    fake.command("fault nvmlDeviceGetMigDeviceHandleByIndex code=999");
    const unknown = () => names("MIG").filter((name) => conditionOf(name, "NVMLReady")?.status === "Unknown");
    await until(() => unknown().length === INSTANCES, "the instances are Unknown");
    expect(names("GPU").filter(isReady).length).toBe(GPUS);
    fake.command("clear nvmlDeviceGetMigDeviceHandleByIndex");
    await until(() => notReady().length === 0 && seen.size === GPUS + INSTANCES, "the instances are back");
  });
});

test("without --nvml-mig there are GPUs alone, and an Xid names its instance", async () => {
  await start();
  await until(() => seen.size === GPUS && notReady().length === 0, "the GPUs");
  await waitsForEvents(fake);
  fake.command("xid 0 95 gpu_instance=9 compute_instance=0");
  await until(() => notReady().length === 1, "the fault");
  expect(messageOf(notReady()[0] ?? "")).toContain("MIG GPU instance 9, compute instance 0, advice");
  expect(seen.size).toBe(GPUS);
  expect(fake.calls("nvmlDeviceGetMaxMigDeviceCount")).toBe(0);
});

test("a driver without the functions for MIG has no instances and well GPUs", async () => {
  const symbols = ["nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex"];
  fake.install({ kind: "without", symbols });
  await start("--nvml-mig");
  await until(() => seen.size === GPUS && notReady().length === 0, "the GPUs");
});
