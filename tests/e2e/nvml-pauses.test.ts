import { describe, expect, test } from "bun:test";
import { isAsBefore, isOut, NvmlServer } from "../support/nvml-server.ts";

/**
 * Processes that stand still for a while, as a busy or frozen machine makes them, against the compiled binary: a pause
 * of the server is no fault of its NVML host process, and one of the host process is. Beside them, as all of it is
 * waiting, a driver that is late in every round.
 */

/** 2 s is beyond the limit for Unknown, 6 s beyond the one for the kill. */
const PAUSES_MS = [2_000, 6_000];
/** In which what waits in the pipe is read, and a kill or a change of a condition would show. */
const AFTER_MS = 1_000;
/** Longer than two cycles of a late call. */
const QUIET_MS = 2_400;

describe.concurrent("a pause", () => {
  for (const ms of PAUSES_MS) {
    test(`of the server of ${ms / 1_000} s changes no condition and ends no host process`, () =>
      playPause(ms, ({ binary }) => [binary.process.pid]));
  }

  test("of server and host process together, 6 s, as of a container that is frozen, does neither", () =>
    playPause(6_000, ({ binary }, [host = 0]) => [binary.process.pid, host]));

  test("of the host process alone is found, and it is killed", async () => {
    await using server = await NvmlServer.start({ gpus: 2, flags: ["--nvml-hang-timeout=2s"] });
    const before = await server.withOneFault();
    const [host = 0] = server.hosts();
    process.kill(host, "SIGSTOP");
    await server.until(() => isOut(before, server.seen, "DriverUnresponsive", "has been silent"), "it is said");
    await server.hostAfter(host);
    await server.until(() => isAsBefore(before, server.seen), "all are as they were");
  });
});

describe.concurrent("a driver", () => {
  test("that is late in every round leaves GPUs Unknown, until it is in time again", async () => {
    await using server = await NvmlServer.start({ gpus: 2 });
    const before = await server.withOneFault();
    server.fake.command("fault nvmlDeviceGetPowerUsage delay_ms=1000 gpu=0");
    const words =
      "(the last: nvmlDeviceGetPowerUsage has been running for more than 0.75 s); cleared by: readings in time";
    await server.until(() => isOut(before, server.seen, "DriverUnresponsive", words), "it is slow");
    const told = server.history.length;
    const calls = server.fake.calls("nvmlDeviceGetPowerUsage");
    await Bun.sleep(QUIET_MS);
    expect(server.fake.calls("nvmlDeviceGetPowerUsage")).toBeGreaterThan(calls);
    expect(server.history.length).toBe(told);
    expect(server.logged("the driver does not answer").length).toBe(1);
    server.fake.command("clear nvmlDeviceGetPowerUsage");
    await server.until(() => isAsBefore(before, server.seen), "all are as they were");
    expect(await server.metric("host_starts_total")).toBe(1);
    expect(server.bystander.failures).toEqual([]);
  });
});

async function playPause(ms: number, whom: (server: NvmlServer, hosts: readonly number[]) => readonly number[]) {
  await using server = await NvmlServer.start({ gpus: 2 });
  await server.withOneFault();
  const hosts = server.hosts();
  const told = server.history.length;
  const pids = whom(server, hosts);
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  await Bun.sleep(ms);
  for (const pid of pids) process.kill(pid, "SIGCONT");
  await Bun.sleep(AFTER_MS);
  expect(server.logged("killing the NVML host process")).toEqual([]);
  expect(server.logged("does not answer")).toEqual([]);
  expect(server.history.length).toBe(told);
  expect(server.hosts()).toEqual([...hosts]);
  expect(await server.metric("host_starts_total")).toBe(1);
  expect(server.bystander.failures).toEqual([]);
}
