import { expect, test } from "bun:test";
import { createFakeMachine, NvmlHost } from "../support/nvml-host.ts";

/** What the shim reads of MIG instances, as the host process tells it. */

const MIG = ["--period-ms=50", "--mig=true"];

test("instances come with their UUIDs and numbers, and places between them may be empty", async () => {
  using machine = createFakeMachine(2);
  machine.control("mig 0 on 0,3,6");
  await using host = new NvmlHost(machine, MIG);
  const { gpus } = (await host.message("round")).round;
  expect(gpus[0]?.instances?.map(({ gpuInstance, computeInstance }) => [gpuInstance, computeInstance])).toEqual([
    [7, 0],
    [10, 0],
    [13, 0],
  ]);
  expect(gpus[0]?.instances?.every(({ uuid }) => /^MIG-[-0-9a-f]{36}$/.test(uuid))).toBe(true);
  expect(new Set(gpus[0]?.instances?.map(({ uuid }) => uuid)).size).toBe(3);
  expect(gpus[1]?.instances).toEqual([]);
  machine.control("gpu 0 mig_compute=2");
  const round = await host.nextRound((next) => next.gpus[0]?.instances?.[1]?.computeInstance === 1);
  expect(round.gpus[0]?.instances?.map(({ gpuInstance }) => gpuInstance)).toEqual([7, 8, 10]);
});

test("a mode that waits for a reset has no instances yet, and the reset brings it without any", async () => {
  using machine = createFakeMachine(1);
  machine.control("gpu 0 mig_pending=1 mig_instances=0x7f");
  await using host = new NvmlHost(machine, MIG);
  expect((await host.message("round")).round.gpus[0]).toMatchObject({ instances: [], mig: { current: 0, pending: 1 } });
  machine.control("gpu 0 reset");
  const round = await host.nextRound(({ gpus }) => gpus[0]?.mig?.current === 1);
  expect(round.gpus[0]).toMatchObject({ instances: [], failures: [] });
});

test("a list that cannot be read whole is none, and is no fault of the GPU's own", async () => {
  using machine = createFakeMachine(1);
  machine.control("mig 0 on all");
  await using host = new NvmlHost(machine, MIG);
  await host.message("round");
  machine.control("fault nvmlDeviceGetComputeInstanceId code=999 after=3");
  const { gpus } = await host.nextRound((round) => (round.gpus[0]?.failures.length ?? 0) > 0);
  expect(gpus[0]).toMatchObject({ instances: undefined, temperatureC: 32 });
  expect(gpus[0]?.failures).toEqual([{ call: "nvmlDeviceGetComputeInstanceId", code: 999 }]);
  machine.control("clear all");
  await host.nextRound((round) => round.gpus[0]?.instances?.length === 7);
});

test("nonsense of the library is no list, and numbers without an end are not followed", async () => {
  using machine = createFakeMachine(1);
  machine.control("mig 0 on all");
  machine.control("set absurd=many_instances");
  await using host = new NvmlHost(machine, MIG);
  expect((await host.message("round")).round.gpus[0]?.instances?.length).toBe(7);
  // 64 places are looked at, whatever the library promises.
  machine.control("calls reset");
  await host.nextRound();
  const rounds = () => Number(machine.control("calls nvmlDeviceGetMaxMigDeviceCount").split(" ")[1]);
  const opened = Number(machine.control("calls nvmlDeviceGetMigDeviceHandleByIndex").split(" ")[1]);
  expect(opened).toBeLessThanOrEqual(64 * rounds());
  machine.control("set absurd=none");
  machine.control("fault nvmlDeviceGetMigDeviceHandleByIndex code=15 times=1");
  const lost = await host.nextRound((round) => round.gpus[0]?.lost === true);
  expect(lost.gpus[0]?.instances).toBeUndefined();
});

test("nobody looks for instances unless asked to", async () => {
  using machine = createFakeMachine(1);
  machine.control("mig 0 on all");
  await using host = new NvmlHost(machine, ["--period-ms=50"]);
  expect((await host.message("round")).round.gpus[0]).toMatchObject({ instances: undefined, mig: { current: 1 } });
  expect(machine.control("calls nvmlDeviceGetMaxMigDeviceCount")).toBe("nvmlDeviceGetMaxMigDeviceCount 0\n");
});
