import { afterEach, expect, test } from "bun:test";
import { closeSync, writeSync } from "node:fs";
import { readCallsPage } from "./calls-page.ts";
import { nvmlShim } from "./nvml.ts";
import { NVML_CALLS } from "./nvml-abi.gen.ts";

const open: number[] = [];

afterEach(() => {
  for (const fd of open.splice(0)) closeSync(fd);
});

/** A page with the words of the sampler and of the event thread; all others are 0. */
function page(...threads: Record<number, bigint>[]): number {
  const fd = nvmlShim().createCallsPage();
  open.push(fd);
  const words = new BigUint64Array(512);
  for (const [thread, values] of threads.entries()) {
    for (const [at, value] of Object.entries(values)) words[thread * (1 + 3 * NVML_CALLS.length) + Number(at)] = value;
  }
  writeSync(fd, words, 0, words.byteLength, 0);
  return fd;
}

const callOf = (name: string) => NVML_CALLS.indexOf(name);
const tallyAt = (name: string) => 1 + 3 * callOf(name);

test("a fresh page says nothing", () => {
  expect(readCallsPage(page())).toEqual({ sampler: undefined, eventThread: undefined, ended: new Map() });
});

test("a running call is told with its beginning, by thread", () => {
  const word = (name: string, sinceUs: bigint) => (sinceUs << 8n) | BigInt(callOf(name));
  const { sampler, eventThread } = readCallsPage(
    page({ 0: word("nvmlDeviceGetUUID", 7n) }, { 0: word("nvmlEventSetWait_v2", 9n) }),
  );
  expect(sampler).toEqual({ name: "nvmlDeviceGetUUID", sinceNs: 7_000n });
  expect(eventThread).toEqual({ name: "nvmlEventSetWait_v2", sinceNs: 9_000n });
});

test("calls that have ended are told by function, those of both threads together", () => {
  const at = tallyAt("nvmlDeviceRegisterEvents");
  const last = tallyAt(NVML_CALLS.at(-1) ?? "");
  const { ended } = readCallsPage(
    page(
      { [at]: 2n, [at + 1]: 30n, [at + 2]: 20n, [last]: 1n, [last + 1]: 4n, [last + 2]: 4n },
      { [at]: 3n, [at + 1]: 50n, [at + 2]: 45n },
    ),
  );
  expect(ended).toEqual(
    new Map([
      ["nvmlDeviceRegisterEvents", { count: 5, totalUs: 80, longestUs: 45 }],
      [NVML_CALLS.at(-1) ?? "", { count: 1, totalUs: 4, longestUs: 4 }],
    ]),
  );
});
