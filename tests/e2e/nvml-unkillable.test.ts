import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Gpu } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { isAsBefore, isOut, NvmlServer } from "../support/nvml-server.ts";
import { FrozenFolder, threadStates, whyNoFrozenFolder } from "../support/nvml-stuck.ts";

/**
 * A host process that SIGKILL does not end, against the compiled binary. It is a real one: its threads sleep
 * uninterruptibly inside an NVML call, because the scripted machine's file lies on a frozen file system.
 */

const why = whyNoFrozenFolder();
const KILL = ["--nvml-hang-timeout=2s"];
/** The server's waits are seconds: of SIGKILL 5, at its own end 2. */
const STOP_MAX_MS = 20_000;

let folder: string;
let frozen: FrozenFolder;

beforeEach(() => {
  if (why !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), "stuck-"));
  frozen = new FrozenFolder(folder);
});

afterEach(() => {
  if (why !== undefined) return;
  frozen[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

interface Stuck extends AsyncDisposable {
  readonly server: NvmlServer;
  readonly before: ReadonlyMap<string, Gpu>;
  readonly host: number;
}

/** The GPUs are Unknown, and the one host process is dead but for threads that sleep in the kernel. */
async function startStuck(): Promise<Stuck> {
  const server = await NvmlServer.start({ flags: KILL, controlPath: join(frozen.path, "control") });
  const end = async () => {
    // First, for what follows writes to the machine's file.
    frozen.thaw();
    await server[Symbol.asyncDispose]();
  };
  try {
    const before = await server.withOneFault();
    const [host = 0] = server.hosts();
    frozen.freeze();
    const isSaid = () => isOut(before, server.seen, "DriverUnresponsive", "does not end after SIGKILL");
    await server.until(isSaid, "it is said");
    expect(threadStates(host)).toContain("D");
    return { server, before, host, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

describe.skipIf(why !== undefined)(`a host process that cannot be killed${why === undefined ? "" : `: ${why}`}`, () => {
  test("is told of in log, conditions and metrics, is alone, and when it ends the next one follows", async () => {
    await using stuck = await startStuck();
    const { server, before, host } = stuck;
    expect(server.logged("does not end after SIGKILL; no other one is started")[0]).toMatchObject({
      level: "error",
      pid: host,
    });
    const [condition] = [...server.states().values()][0]?.filter((line) => line.startsWith("NVMLReady")) ?? [];
    expect(condition).toMatch(
      /^NVMLReady=Unknown DriverUnresponsive: nvml\w+ has been running for more than [\d.]+ s; /,
    );
    expect(condition).toContain(`the NVML host process ${host} does not end after SIGKILL, it is stuck in the driver`);
    expect(await server.metric("state", 'state="hung"')).toBe(1);
    expect(await server.metric("call_running_seconds")).toBeGreaterThan(2);

    // Longer than the first three waits between two processes would be.
    for (let look = 0; look < 80; look++) {
      expect(server.hosts()).toEqual([host]);
      await Bun.sleep(100);
    }
    await server.bystander.served();
    expect((await server.bystander.served(3)).list.length).toBeGreaterThanOrEqual(3);
    expect(await server.metric("host_starts_total")).toBe(1);

    frozen.thaw();
    await server.hostAfter(host);
    await server.until(() => isAsBefore(before, server.seen), "all are as they were");
    expect(server.hosts().length).toBe(1);
    expect(threadStates(host)).toEqual([]);
    expect(await server.metric("host_starts_total")).toBe(2);
    expect(await server.metric("host_crashes_total")).toBe(0);
    expect(server.bystander.failures).toEqual([]);
  });

  test("does not keep the server from ending, which leaves it behind and says so", async () => {
    await using stuck = await startStuck();
    const { server, host } = stuck;
    const stopped = server.stop();
    expect(await Promise.race([stopped, Bun.sleep(STOP_MAX_MS)])).toBe(0);
    expect(threadStates(host)).toContain("D");
    expect(server.logged("is left behind")[0]).toMatchObject({ level: "error", pid: host });
  });
});
