import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Gpu } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { conditionOf, GpuWatch, shortOf } from "../support/gpu-watch.ts";
import { waitsForEvents } from "../support/nvml-events.ts";
import { TestClient } from "../support/test-client.ts";

/** T-NV-5: providers of their own beside the NVML provider of the compiled binary, on the GPUs that NVML registered. */

const { registerGpu, unregisterGpu, updateGpuCondition, updateGpuStatus, heartbeat } = ProviderService.method;
const GPUS = 2;
const DCGM = "dcgm";

let fake: FakeNvml;
let binary: RunningBinary;
let client: TestClient;
let watch: GpuWatch;
/** As NVML spells it, and as other tools do. */
let name: string;
let lower: string;

beforeEach(async () => {
  fake = createFakeNvml({ gpus: GPUS });
  const flags = ["--nvml-period=200ms", "--nvml-gone-after=1s", "--provider-lease=1s"];
  binary = await spawnBinary(["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`, ...flags], fake.env);
  client = new TestClient(binary.unixTarget);
  watch = new GpuWatch(client);
  name = (await watch.names(GPUS))[0] ?? "";
  await waitsForEvents(fake);
  lower = name.toLowerCase();
});

afterEach(async () => {
  watch[Symbol.dispose]();
  client[Symbol.dispose]();
  await binary.stop();
  fake[Symbol.dispose]();
});

const report = (type: string, status: string, providerId = DCGM) =>
  client.call(updateGpuCondition, { name: lower, providerId, condition: { type, status, reason: `by-${providerId}` } });
const beat = async (providerId = DCGM) =>
  (await client.call(heartbeat, { providerId, gpuNames: [lower] })).acknowledged;
const is = (type: string, short: string) => (gpu: Gpu | undefined) => shortOf(gpu, type) === short;
const until = (type: string, short: string) => watch.until(name, is(type, short), `${type} ${short}`);

/** The conditions of NVML, which nothing that others do may change. */
const ofNvml = (gpu: Gpu | undefined) =>
  ["NVMLReady", "MemoryHealthy", "NVLinkHealthy", "FabricHealthy"].map((type) => shortOf(gpu, type));
const ALL_WELL = ["True/Initialized", "True/NoMemoryFault", "True/LinksUp", "True/FabricRegistered"];

describe("a provider that names the GPU by its UUID in small letters", () => {
  test("writes on NVML's object, goes silent, is lost, and resumes; NVML's conditions stay as they are", async () => {
    expect(lower).not.toBe(name);
    expect(await beat()).toBe(true);
    await report("DcgmHealthy", "True");
    await report("DcgmMemory", "False");
    const { gpu: first } = await until("DcgmMemory", "False/by-dcgm");
    expect([first?.metadata?.name, first?.spec?.uuid, watch.latest.size]).toEqual([name, name, GPUS]);
    expect(ofNvml(first)).toEqual(ALL_WELL);

    const { gpu: lost } = await until("DcgmHealthy", "Unknown/ProviderLost");
    // Stale bad news is safe.
    expect(shortOf(lost, "DcgmMemory")).toBe("False/by-dcgm");
    expect(conditionOf(lost, "Ready")?.status).toBe("False");
    expect(ofNvml(lost)).toEqual(ALL_WELL);

    expect(await beat()).toBe(false);
    await client.call(updateGpuStatus, {
      name: lower,
      providerId: DCGM,
      status: { conditions: [{ type: "DcgmHealthy", status: "True", reason: "again" }] },
    });
    const { gpu: back } = await until("DcgmHealthy", "True/again");
    expect([shortOf(back, "DcgmMemory"), conditionOf(back, "Ready")?.status]).toEqual(["not reported", "True"]);
    expect(ofNvml(back)).toEqual(ALL_WELL);
  });

  test("keeps its lease through an outage of NVML, and NVML comes back beside it", async () => {
    let beats = 0;
    const beating = setInterval(async () => {
      beats += (await beat()) ? 1 : -1_000;
    }, 200);
    await report("DcgmHealthy", "True");
    fake.command("fault nvmlDeviceGetPowerUsage crash times=1");
    await until("NVMLReady", "Unknown/NVMLHostCrashed");
    const { gpu } = await until("NVMLReady", "True/Initialized");
    clearInterval(beating);
    expect(beats).toBeGreaterThan(0);
    expect(shortOf(gpu, "DcgmHealthy")).toBe("True/by-dcgm");
    expect(watch.messages.some(({ object }) => is("DcgmHealthy", "Unknown/ProviderLost")(object))).toBe(false);
  });
});

describe("two providers and one name", () => {
  test("registering NVML's GPU again makes no second object, and unregistering takes only one's own away", async () => {
    const registered = await client.call(registerGpu, { name: lower, providerId: DCGM, spec: { uuid: lower } });
    expect(registered.created).toBe(false);
    await report("DcgmHealthy", "True");
    await until("DcgmHealthy", "True/by-dcgm");
    expect((await client.call(unregisterGpu, { name: lower })).deleted).toBe(false);
    const { gpu } = await until("DcgmHealthy", "not reported");
    expect([gpu?.metadata?.name, gpu?.spec?.uuid, watch.latest.size]).toEqual([name, name, GPUS]);
    expect(ofNvml(gpu)).toEqual(ALL_WELL);
  });

  test("of one condition that both report the worse is shown, whoever says it", async () => {
    await report("MemoryHealthy", "False");
    await until("MemoryHealthy", "False/by-dcgm");
    await report("MemoryHealthy", "True");
    await watch.until(name, (gpu) => shortOf(gpu, "MemoryHealthy").startsWith("True/"), "both say True");
    fake.command("gpu 0 remap_failed=1");
    const { gpu } = await until("MemoryHealthy", "False/RowRemapFailed");
    expect(gpu?.status?.recommendedAction).toBe("CONTACT_SUPPORT");
    fake.command("gpu 0 remap_failed=0");
    await watch.until(name, (latest) => shortOf(latest, "MemoryHealthy").startsWith("True/"), "both say True again");
  });

  test("the id of NVML's provider is its own", async () => {
    const condition = { type: "NVMLReady", status: "True" };
    const failure = await client.failure(updateGpuCondition, { name: lower, providerId: "nvml-provider", condition });
    expect(failure.code).toBe("PERMISSION_DENIED");
    expect((await client.failure(heartbeat, { providerId: "nvml-provider" })).code).toBe("PERMISSION_DENIED");
  });

  test("a GPU that NVML withdraws stays for its other provider, and is one again when it is back", async () => {
    await client.call(registerGpu, { name: lower, providerId: DCGM });
    await report("DcgmHealthy", "True");
    fake.command("gpu 0 present=0");
    await until("NVMLReady", "False/GPULost");
    const { gpu: left } = await until("NVMLReady", "not reported");
    expect([left?.metadata?.name, shortOf(left, "DcgmHealthy")]).toEqual([name, "True/by-dcgm"]);
    expect(conditionOf(left, "Ready")?.status).toBe("True");
    fake.command("gpu 0 present=1");
    const { gpu: back } = await until("NVMLReady", "True/Initialized");
    expect([shortOf(back, "DcgmHealthy"), watch.latest.size]).toEqual(["True/by-dcgm", GPUS]);
  });
});
