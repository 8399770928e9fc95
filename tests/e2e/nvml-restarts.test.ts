import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import { BINARY, spawnBinary } from "../support/binary.ts";
import { GpuWatch, shortOf } from "../support/gpu-watch.ts";
import { type Held, heldBy } from "../support/held.ts";
import { TestClient } from "../support/test-client.ts";

/**
 * Starts and stops of the server with NVML on, and of its host process alone: nothing of them is left. NVML_RESTARTS
 * is how often each; by default few, so that every run has them.
 */
const SERVER_STARTS = Number(Bun.env["NVML_RESTARTS"] ?? 12);
const HOST_STARTS = Number(Bun.env["NVML_RESTARTS"] ?? 20);
const LIMIT_MS = 600_000;
const GPUS = 8;

let fake: FakeNvml;
let folder: string;

beforeEach(() => {
  fake = createFakeNvml({ gpus: GPUS });
  folder = mkdtempSync(join(tmpdir(), "restarts-"));
});

afterEach(() => {
  fake[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Processes that were started with this machine in their environment, zombies left out: those have ended. */
function processes(): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "utf8").includes(fake.controlPath);
    } catch {
      // It ended meanwhile, or is another user's.
      return false;
    }
  });
}

async function untilNone(what: () => readonly string[]): Promise<void> {
  // The host process ends by itself when it sees its input end.
  for (const limit = performance.now() + 20_000; what().length > 0; await Bun.sleep(20)) {
    if (performance.now() > limit) throw new Error(`left behind: ${what().join(", ")}`);
  }
}

const openSockets = (): readonly string[] =>
  readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .filter((line) => line.includes(folder));

test(
  `${SERVER_STARTS} starts and stops, by SIGTERM and SIGKILL in turn, leave no process, socket, shared memory or file`,
  async () => {
    const temp = join(folder, "temp");
    mkdirSync(temp);
    const sharedMemory = readdirSync("/dev/shm");
    const env = { ...fake.env, TMPDIR: temp };
    const flags = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`, "--nvml-period=100ms"];
    for (let i = 0; i < SERVER_STARTS; i++) {
      const binary = await spawnBinary([...flags, `--unix-socket=${join(folder, "device.sock")}`], env);
      using client = new TestClient(`unix://${join(folder, "device.sock")}`);
      using watch = new GpuWatch(client);
      const names = await watch.names(GPUS);
      await watch.until(names[0] ?? "", (gpu) => shortOf(gpu, "Ready").startsWith("True"), "the first GPU is ready");
      expect(processes().length).toBe(2);
      // The last one in peace.
      const hard = (SERVER_STARTS - i) % 2 === 0;
      if (hard) binary.process.kill("SIGKILL");
      expect(await binary.stop()).toBe(hard ? 137 : 0);
      await untilNone(processes);
      await untilNone(openSockets);
      expect(readdirSync(temp)).toEqual([]);
      expect(existsSync(join(folder, "device.sock"))).toBe(hard);
    }
    expect(readdirSync(folder)).toEqual(["temp"]);
    expect(readdirSync("/dev/shm").filter((name) => !sharedMemory.includes(name))).toEqual([]);
  },
  LIMIT_MS,
);

test(
  `${HOST_STARTS} restarts of the host process leave no descriptor and no thread in the server`,
  async () => {
    const script = join(import.meta.dir, "../support/nvml-host-restarts.ts");
    const command = [process.execPath, script, BINARY, fake.root, String(HOST_STARTS)];
    const child = Bun.spawn(command, { env: { ...Bun.env, ...fake.env }, stdout: "pipe", stderr: "inherit" });
    const { first, last } = JSON.parse(await new Response(child.stdout).text()) as Record<"first" | "last", Held>;
    expect(await child.exited).toBe(0);
    expect(last).toEqual(first);
    await untilNone(processes);
  },
  LIMIT_MS,
);

test("the binary itself holds after three restarts of its host process what it held before", async () => {
  const flags = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`, "--nvml-period=100ms"];
  await using binary = await spawnBinary(flags, fake.env);
  using client = new TestClient(binary.unixTarget);
  using watch = new GpuWatch(client);
  const [name = ""] = await watch.names(GPUS);
  const { pid } = binary.process;
  const hosts = () => processes().filter((each) => each !== String(pid));
  const held: Held[] = [];
  for (let i = 0; i <= 3; i++) {
    await watch.until(name, (gpu) => shortOf(gpu, "NVMLReady").startsWith("True"), "it reads");
    held.push(await heldBy(pid));
    const crashed = watch.next(name, (gpu) => shortOf(gpu, "NVMLReady") === "Unknown/NVMLHostCrashed", "it is gone");
    for (const host of hosts()) process.kill(Number(host), "SIGKILL");
    await crashed;
  }
  const [first] = held;
  if (first === undefined) throw new Error("nothing was counted");
  expect(held).toEqual(held.map(() => first));
});
