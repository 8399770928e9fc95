import { describe, expect, test } from "bun:test";
import type { Gpu } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { NVML_FUNCTIONS, type NvmlFunction, SHUTDOWN, type Trouble } from "../support/nvml-functions.ts";
import { isAsBefore, isOut, linesOf, NvmlServer } from "../support/nvml-server.ts";
import { Slots } from "../support/slots.ts";

/**
 * T-NV-3 against the compiled binary: a library that ends its process, by SIGSEGV and by abort(), in each function that
 * the shim calls. One GPU has a fault from before, which has to stay what it is.
 */

const SIGNALS: readonly (readonly [Trouble, string])[] = [
  ["crash", "SIGSEGV"],
  ["abort", "SIGABRT"],
];
/** Of the backoff: the first wait, and the part of each that is not left to chance. */
const FIRST_MS = 1_000;
const SURE_PART = 0.5;

const slots = new Slots(8);

describe.concurrent("a crash ends the host process alone, and the next one finds all as it was:", () => {
  for (const nvml of NVML_FUNCTIONS) test(nvml.name, () => slots.run(() => playCrashes(nvml)));
});

async function playCrashes(nvml: NvmlFunction): Promise<void> {
  await using server = await NvmlServer.start(nvml.options);
  const before = await server.withOneFault();
  // A library that is cut short has its own signal, and only one way.
  const signals = nvml.name === "dlopen" ? ([["crash", "SIGBUS"]] as const) : SIGNALS;
  for (const [turn, [how, signal]] of signals.entries()) {
    await playCrash(server, before, nvml, turn, how, signal);
  }
  // A start comes after the end of another one, which is counted as well.
  const crashes = signals.length * (nvml.atStart ? 2 : 1);
  expect(await server.metric("host_crashes_total")).toBe(crashes);
  expect(await server.metric("host_starts_total")).toBe(crashes + 1);
  expect(server.bystander.failures).toEqual([]);
}

async function playCrash(
  server: NvmlServer,
  before: ReadonlyMap<string, Gpu>,
  nvml: NvmlFunction,
  turn: number,
  how: Trouble,
  signal: string,
): Promise<void> {
  const [host] = server.hosts();
  nvml.trouble(server, how, 1);
  nvml.reach(server, turn);
  const words = `ended by ${signal}, last seen in ${nvml.name}`;
  await server.until(() => isOut(before, server.seen, "NVMLHostCrashed", words), "all are Unknown");
  await server.bystander.served();
  nvml.mend(server);
  const next = await server.hostAfter(host);
  await server.until(() => isAsBefore(before, server.seen), "all are as they were");
  expect(server.hosts()).toEqual([nvml.atStart ? expect.any(Number) : next]);
  expect((await server.bystander.served(1)).get.length).toBeGreaterThan(0);
}

test("a library that crashes each time is tried after longer and longer waits, its GPUs Unknown", async () => {
  const crashes = 3;
  await using server = await NvmlServer.start();
  await server.ready();
  const before = new Map(server.seen);
  server.fake.command(`fault nvmlEventSetWait_v2 crash times=${crashes}`);
  await server.until(() => isOut(before, server.seen, "NVMLHostCrashed", "nvmlEventSetWait_v2"), "all are Unknown");
  const told = server.history.length;
  const ends = () => server.logged("the NVML host process ended by SIGSEGV");
  await server.until(() => ends().length === crashes, `${crashes} crashes`);
  expect(
    server.history
      .slice(told)
      .flatMap(linesOf)
      .filter((line) => line.includes("=True")),
  ).toEqual([]);
  await server.until(() => isAsBefore(before, server.seen), "all are as they were");

  for (const [index, { failures, retryMs, ts }] of ends().entries()) {
    const whole = FIRST_MS * 2 ** index;
    expect(failures).toBe(index + 1);
    expect(Number(retryMs)).toBeWithin(whole * SURE_PART, whole + 1);
    const next = ends()[index + 1]?.["ts"];
    if (next !== undefined) expect(Date.parse(String(next)) - Date.parse(String(ts))).toBeGreaterThan(Number(retryMs));
  }
  expect(await server.metric("host_crashes_total")).toBe(crashes);
  expect(await server.metric("host_starts_total")).toBe(crashes + 1);
  expect(server.bystander.failures).toEqual([]);
});

for (const [how] of SIGNALS) {
  test(`${SHUTDOWN} (${how}): the server ends with 0`, async () => {
    await using server = await NvmlServer.start({ prepare: [`fault ${SHUTDOWN} ${how}`] });
    await server.ready();
    const [host] = server.hosts();
    expect(await server.stop()).toBe(0);
    expect(server.fake.calls(SHUTDOWN)).toBe(1);
    expect(() => process.kill(host ?? 0, 0)).toThrow("ESRCH");
  });
}
