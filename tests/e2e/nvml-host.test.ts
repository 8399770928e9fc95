import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFakeMachine, NvmlHost } from "../support/nvml-host.ts";

const FAST = ["--period-ms=50"];

const waitsForEvents = (host: NvmlHost) =>
  host.message("pulse", ({ eventThread }) => eventThread?.name === "nvmlEventSetWait_v2");

test("a host says that it is ready, then gives rounds, and ends when it is asked to", async () => {
  using machine = createFakeMachine(8);
  await using host = new NvmlHost(machine, FAST);
  const ready = await host.message("ready");
  expect(ready).toMatchObject({ gpuCount: 8, events: true, driverVersion: "580.95.05" });
  expect(ready.libraryPath).toEndWith("libnvidia-ml.so.1");
  const { round } = await host.message("round");
  expect(round.code).toBe(0);
  expect(round.gpus.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(new Set(round.gpus.map(({ uuid }) => uuid)).size).toBe(8);
  const [gpu] = round.gpus;
  expect(gpu).toMatchObject({ lost: false, failures: [], product: "NVIDIA H100 80GB HBM3", recoveryAction: 0 });
  expect(gpu?.nvLinks.map(({ link }) => link)).toEqual(Array.from({ length: 18 }, (_, link) => link));
  expect(host.messages.find(({ kind }) => kind !== "pulse")?.kind).toBe("ready");
  // A thread that is in the middle of the registration would not be waited for for long.
  await waitsForEvents(host);
  host.process.kill("SIGTERM");
  expect(await host.ended()).toBe(0);
  expect(machine.control("calls nvmlShutdown")).toBe("nvmlShutdown 1\n");
});

test("every value of a GPU comes through", async () => {
  using machine = createFakeMachine(1);
  await using host = new NvmlHost(machine, FAST);
  await host.message("round");
  machine.control("gpu 0 temperature=91 clock_reasons=0x48 power=650000 recovery_action=2 mig_pending=1");
  machine.control("gpu 0 ecc_volatile_corrected=5 ecc_volatile_uncorrected=2 ecc_aggregate_uncorrected=9");
  machine.control("gpu 0 remapped_corrected=1 remapped_uncorrected=3 remap_pending=1 sram_volatile_secded=4");
  machine.control("gpu 0 sram_threshold=1 fabric_health=0x2");
  machine.control("link 0 3 down replay=7 recovery=2");
  const round = await host.nextRound(({ gpus }) => gpus[0]?.nvLinks[3]?.active === false);
  expect(round.gpus[0]).toMatchObject({
    temperatureC: 91,
    clockReasons: 0x48n,
    powerMw: 650_000,
    recoveryAction: 2,
    eccVolatileCorrected: 5n,
    eccVolatileUncorrected: 2n,
    eccAggregateUncorrected: 9n,
    remappedRows: { corrected: 1, uncorrected: 3, pending: true, failed: false },
    sramEcc: { uncorrected: 4n, thresholdExceeded: true },
    fabric: { healthMask: 2 },
    mig: { current: 0, pending: 1 },
    failures: [],
  });
  expect(round.gpus[0]?.nvLinks[3]).toEqual({ link: 3, active: false, errors: 9n });
});

test("events come in order, each with its GPU, and a round follows at once", async () => {
  using machine = createFakeMachine(4);
  await using host = new NvmlHost(machine, ["--period-ms=3600000"]);
  const { round } = await host.message("round");
  const uuids = round.gpus.map(({ uuid }) => uuid);
  // Events from before the registration are lost; a round follows it.
  await waitsForEvents(host);
  const rounds = host.all("round").length;
  for (const [gpu, xid] of [
    [3, 79],
    [0, 48],
    [1, 63],
  ] as const)
    machine.control(`xid ${gpu} ${xid}`);
  machine.control("xid none 119");
  machine.control("xid bogus 119");
  await host.until(() => host.all("event").length === 5);
  const events = host.all("event").map(({ event }) => event);
  expect(events.map(({ data }) => data)).toEqual([79n, 48n, 63n, 119n, 119n]);
  expect(events.map(({ seq }) => seq)).toEqual([0n, 1n, 2n, 3n, 4n]);
  expect(events.map(({ uuid }) => uuid)).toEqual([uuids[3], uuids[0], uuids[1], undefined, undefined]);
  expect(events[0]).toMatchObject({ type: 8n, gpuInstance: undefined, computeInstance: undefined });
  await host.until(() => host.all("round").length > rounds);
});

test("a call that hangs is seen in the pulse with its beginning, and goes on when it returns", async () => {
  using machine = createFakeMachine(2);
  await using host = new NvmlHost(machine, FAST);
  await host.message("round");
  machine.control("fault nvmlDeviceGetPowerUsage hang gpu=1");
  const inCall = () => host.all("pulse").filter(({ sampler }) => sampler?.name === "nvmlDeviceGetPowerUsage");
  await host.until(() => inCall().length >= 3);
  const [first, second] = inCall().slice(-2);
  expect(first?.sampler?.sinceNs).toBe(second?.sampler?.sinceNs);
  machine.control("xid 0 31");
  await host.message("event");
  machine.control("clear nvmlDeviceGetPowerUsage");
  await host.nextRound();
});

for (const [what, end] of [
  ["SIGTERM", (host: NvmlHost) => host.process.kill("SIGTERM")],
  ["the end of its input", (host: NvmlHost) => host.process.stdin.end()],
] as const) {
  test(`a host whose threads both hang ends at ${what}`, async () => {
    using machine = createFakeMachine(2);
    await using host = new NvmlHost(machine, FAST);
    await host.message("round");
    machine.control("fault nvmlDeviceGetTemperature hang");
    machine.control("fault nvmlEventSetWait_v2 hang");
    await host.message("pulse", ({ sampler, eventThread }) => {
      return sampler?.name === "nvmlDeviceGetTemperature" && eventThread?.name === "nvmlEventSetWait_v2";
    });
    end(host);
    expect(await host.ended()).toBe(0);
  });
}

test("a host whose initialisation hangs says where it is", async () => {
  using machine = createFakeMachine(2);
  machine.control("fault nvmlInit_v2 hang");
  await using host = new NvmlHost(machine, FAST);
  await host.message("pulse", ({ sampler }) => sampler?.name === "nvmlInit_v2");
  host.process.kill("SIGTERM");
  expect(await host.ended()).toBe(0);
});

test("a crash in the library ends the host by its signal, and the call is known", async () => {
  using machine = createFakeMachine(2);
  await using host = new NvmlHost(machine, FAST);
  await host.message("round");
  machine.control("fault nvmlDeviceGetMigMode crash");
  expect(await host.ended()).toBe("SIGSEGV");
  expect(host.calls().sampler?.name).toBe("nvmlDeviceGetMigMode");
});

test("a library that does not fit is a failure with its reason", async () => {
  using machine = createFakeMachine(1);
  const folder = mkdtempSync(join(tmpdir(), "root-"));
  await using host = new NvmlHost(machine, [], folder);
  const failed = await host.message("failed");
  expect(failed).toMatchObject({ stage: "load", code: 0 });
  expect(failed.message).toContain(`searched ${folder}/{usr/lib64,`);
  expect(await host.ended()).toBe(1);
  expect(await new Response(host.process.stderr).text()).toContain("no usable NVML library");
  rmSync(folder, { recursive: true });
});

test("an initialisation that fails is a failure with its code", async () => {
  using machine = createFakeMachine(1);
  machine.control("fault nvmlInit_v2 code=18");
  await using host = new NvmlHost(machine);
  expect(await host.message("failed")).toEqual({
    kind: "failed",
    stage: "init",
    code: 18,
    message: "nvmlInit_v2 failed: LIB_RM_VERSION_MISMATCH (18)",
  });
  expect(await host.ended()).toBe(1);
});

test("what the driver does not have is no failure, and what fails is one", async () => {
  using machine = createFakeMachine(1);
  machine.control("fault nvmlDeviceGetPowerUsage code=13");
  machine.control("fault nvmlDeviceGetMigMode code=3");
  machine.control("fault nvmlDeviceGetTemperature code=4");
  await using host = new NvmlHost(machine, FAST);
  const { round } = await host.message("round");
  const [gpu] = round.gpus;
  expect(gpu?.powerMw).toBeUndefined();
  expect(gpu?.mig).toBeUndefined();
  expect(gpu?.temperatureC).toBeUndefined();
  expect(gpu?.failures).toEqual([{ call: "nvmlDeviceGetTemperature", code: 4 }]);
});

test("whether retired pages wait is unknown where that call fails, and no where there is no such call", async () => {
  using machine = createFakeMachine(1);
  machine.control("gpu 0 without=remap");
  machine.control("gpu 0 with=pages");
  machine.control("gpu 0 pages_single=2 pages_pending=1");
  machine.control("fault nvmlDeviceGetRetiredPagesPendingStatus code=999");
  await using host = new NvmlHost(machine, FAST);
  const failed = (await host.message("round")).round.gpus[0];
  expect(failed?.retiredPages).toBeUndefined();
  expect(failed?.failures).toEqual([{ call: "nvmlDeviceGetRetiredPagesPendingStatus", code: 999 }]);
  machine.control("fault nvmlDeviceGetRetiredPagesPendingStatus code=3");
  await host.nextRound(({ gpus }) => gpus[0]?.retiredPages?.pending === false);
  machine.control("clear all");
  await host.nextRound(({ gpus }) => gpus[0]?.retiredPages?.pending === true);
});
