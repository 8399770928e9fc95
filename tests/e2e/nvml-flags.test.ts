import { afterEach, beforeEach, expect, test } from "bun:test";
import { GpuService, type WatchGpusResponse } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import { BINARY, type RunningBinary, spawnBinary } from "../support/binary.ts";
import { type StreamReader, TestClient } from "../support/test-client.ts";

/** Thresholds and periods as flags of the compiled binary: another value is another outcome. */

let fake: FakeNvml;
let binary: RunningBinary | undefined;
let client: TestClient;
let watch: StreamReader<WatchGpusResponse>;

beforeEach(() => {
  fake = createFakeNvml({ gpus: 1 });
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
  watch = client.stream(GpuService.method.watchGpus, {});
}

/** The latest state of a condition of the one GPU. */
function condition(type: string) {
  return watch.messages.at(-1)?.object?.status?.conditions.find((candidate) => candidate.type === type);
}

const until = (type: string, status: string) =>
  watch.until(() => condition(type)?.status === status, `${type} is ${status}`);

test("limits at which a fault begins", async () => {
  await start("--nvml-link-errors=5", "--nvml-link-error-window=10s", "--nvml-link-error-quiet=10s");
  await until("NVLinkHealthy", "True");
  // By default it takes 100 errors within a minute.
  fake.command("link 0 3 replay=+9");
  await until("NVLinkHealthy", "False");
  expect(condition("NVLinkHealthy")?.message).toContain("NVLink 3 had 5 errors within 10 s or more");
  expect(condition("NVLinkHealthy")?.message).toContain("for 10 s");
});

test("margins and quiet periods by which it ends", async () => {
  await start("--nvml-thermal-margin=20", "--nvml-thermal-quiet=0", "--nvml-power-quiet=400ms");
  await until("ThermalHealthy", "True");
  fake.command("gpu 0 temperature=89");
  await until("ThermalHealthy", "False");
  expect(condition("ThermalHealthy")?.message).toContain("69 degrees or less");
  // Cool by the default margin of 5 degrees. The brake shows that readings have come since.
  fake.command("gpu 0 temperature=75");
  fake.command("gpu 0 clock_reasons=0x80");
  await until("PowerHealthy", "False");
  expect(condition("PowerHealthy")?.message).toContain("no power brake for 0.4 s");
  fake.command("gpu 0 clock_reasons=0");
  await until("PowerHealthy", "True");
  expect(condition("ThermalHealthy")?.status).toBe("False");
  fake.command("gpu 0 temperature=69");
  await until("ThermalHealthy", "True");
});

test("the limit at which a hung driver's process is killed", async () => {
  await start("--nvml-hang-timeout=1s");
  await until("NVMLReady", "True");
  fake.command("fault nvmlDeviceGetTemperature hang times=1");
  await until("NVMLReady", "Unknown");
  await until("NVMLReady", "True");
  expect(binary?.logLines.filter((line) => line.includes("killing")).join()).toContain("more than 1 s");
});

test("values that contradict each other stop the start with status 2 and one line", async () => {
  const args = [
    "serve",
    "--grpc-address=",
    "--ui-address=",
    `--unix-socket=${fake.root}/s`,
    "--nvml-link-error-quiet=10s",
  ];
  const child = Bun.spawn([BINARY, ...args], { stdout: "ignore", stderr: "pipe" });
  const complaint = await new Response(child.stderr).text();
  expect(await child.exited).toBe(2);
  expect(complaint.trimEnd().split("\n").length).toBe(1);
  expect(complaint).toContain("--nvml-link-error-quiet: 10s is less than --nvml-link-error-window (1m)");
});
