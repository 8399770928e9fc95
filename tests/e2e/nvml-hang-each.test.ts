import { describe, expect, test } from "bun:test";
import { NVML_FUNCTIONS, type NvmlFunction, SHUTDOWN } from "../support/nvml-functions.ts";
import { isAsBefore, isOut, linesOf, NvmlServer } from "../support/nvml-server.ts";
import { Slots } from "../support/slots.ts";

/**
 * T-NV-2 against the compiled binary: a call that never comes back, of each function that the shim calls. One GPU has a
 * fault from before, which has to stay what it is.
 */

const FLAGS = ["--nvml-hang-timeout=4s"];
/** While all GPUs are Unknown: so many Gets, Lists and changes of another provider's GPU. */
const SERVED_MIN = 3;

/** Servers at the same time. Most of what they do is wait. */
const slots = new Slots(8);

/** Where the event thread hangs, the rounds of each new host process look well. */
const FOR_GOOD = ["nvmlEventSetWait_v2", "nvmlDeviceRegisterEvents", "nvmlDeviceGetTemperature"];

// One group, because a group begins when the one before it has ended. What waits for longest comes first.
describe.concurrent("a call that never comes back", () => {
  for (const name of FOR_GOOD) {
    test(`of ${name} in every host process anew leaves the GPUs Unknown all the time`, () => playHangForGood(name));
  }
  for (const nvml of NVML_FUNCTIONS) {
    // A start is given 30 s, in which nothing else happens: those wait beside the others.
    const play = () => (nvml.atStart ? playHang(nvml) : slots.run(() => playHang(nvml)));
    test(`of ${nvml.name} is told, and the next host process finds all as it was`, play);
  }
  test(`of ${SHUTDOWN} does not keep the server from ending with 0, and its host process ends with it`, playShutdown);
});

async function playShutdown(): Promise<void> {
  await using server = await NvmlServer.start({ prepare: [`fault ${SHUTDOWN} hang`] });
  await server.ready();
  const [host] = server.hosts();
  expect(await server.stop()).toBe(0);
  expect(server.fake.hangs(SHUTDOWN)).toBe(1);
  expect(() => process.kill(host ?? 0, 0)).toThrow("ESRCH");
}

async function playHangForGood(name: string): Promise<void> {
  await using server = await NvmlServer.start({ flags: FLAGS });
  await server.ready();
  const before = new Map(server.seen);
  const hosts = server.hosts();
  server.fake.command(`fault ${name} hang`);
  // Registered once in each process: the first is told to do it again.
  if (name === "nvmlDeviceRegisterEvents") server.fake.command("fault nvmlEventSetWait_v2 code=999 times=1");
  await server.until(() => isOut(before, server.seen, "DriverUnresponsive", name), "all are Unknown");
  const told = server.history.length;
  for (let generation = 0; generation < 2; generation++) hosts.push(await server.hostAfter(hosts.at(-1)));
  await server.until(() => server.fake.hangs(name) === hosts.length, "the third hangs, too");
  await server.bystander.served(SERVED_MIN);
  const good = server.history
    .slice(told)
    .flatMap(linesOf)
    .filter((line) => line.includes("=True"));
  expect(good).toEqual([]);
  server.fake.command(`clear ${name}`);
  await server.until(() => isAsBefore(before, server.seen), "all are as they were");
  expect(server.bystander.failures).toEqual([]);
}

async function playHang(nvml: NvmlFunction): Promise<void> {
  await using server = await NvmlServer.start({ ...nvml.options, flags: [...FLAGS, ...(nvml.options.flags ?? [])] });
  const before = await server.withOneFault();
  const [first] = server.hosts();

  nvml.trouble(server, "hang", 1);
  nvml.reach(server, 0);
  const hung = await hungHost(server, nvml, 1, first);
  const unknown = () => isOut(before, server.seen, "DriverUnresponsive", nvml.name);
  await server.until(unknown, "all are Unknown");
  // Told by the watchdog, and not by the end of the process: that comes seconds later.
  expect(server.hosts()).toEqual([hung]);
  await server.bystander.served();
  const { get, list, update } = await server.bystander.served(SERVED_MIN);
  expect([get.length, list.length, update.length].every((count) => count >= SERVED_MIN)).toBe(true);
  if (nvml.name === "dlopen") nvml.mend(server);

  await server.hostAfter(hung);
  await server.until(() => isAsBefore(before, server.seen), "all are as they were");
  // A stall of a busy machine in the same function counts as well.
  expect(await server.metric("hangs_total", `function="${nvml.name}"`)).toBeGreaterThanOrEqual(1);

  await endWhileHung(server, nvml, 1);
  expect(server.bystander.failures).toEqual([]);
}

async function endWhileHung(server: NvmlServer, nvml: NvmlFunction, turn: number): Promise<void> {
  const [host] = server.hosts();
  nvml.trouble(server, "hang", 0);
  nvml.reach(server, turn);
  await hungHost(server, nvml, turn + 1, host);
  expect(await server.stop()).toBe(0);
}

/** The host process in which so many calls began to hang. */
async function hungHost(server: NvmlServer, nvml: NvmlFunction, calls: number, before: number | undefined) {
  const host = nvml.atStart ? await server.hostAfter(before) : (before ?? 0);
  const wanted = nvml.name === "dlopen" ? 1 : calls;
  await server.until(() => nvml.hanging(server) >= wanted, `${nvml.name} is entered`);
  return host;
}
