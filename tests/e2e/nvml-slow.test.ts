import { expect, test } from "bun:test";
import { isAsBefore, isOut, NvmlServer } from "../support/nvml-server.ts";

/** Longer than two cycles of a late call. */
const QUIET_MS = 2_400;

test("a driver that is late in every round leaves GPUs Unknown, until it is in time again", async () => {
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
