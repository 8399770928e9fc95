/**
 * `bun bench/nvml-hang.ts [FUNCTION...]`: for each function that the shim calls, or for those that are named, what a
 * call of it that never comes back does to everybody else, and how long it takes until it is told and until all is well
 * again, with the default limits; prints a Markdown table. Needs the binary (`just build`); all of them take 9 minutes.
 *
 * Get, List and the way from a provider's update to the watch are measured on one server for the same time before the
 * hang and during it, one after the other: what is printed is the second divided by the first.
 */
import type { Served } from "../tests/support/bystander.ts";
import { NVML_FUNCTIONS, type NvmlFunction } from "../tests/support/nvml-functions.ts";
import { isAsBefore, isOut, NvmlServer } from "../tests/support/nvml-server.ts";
import { quantilesOf } from "./quantiles.ts";

const SAMPLE_MS = 3_000;
const PAUSE_MS = 1;
const POLL_MS = 1;

interface Measured {
  readonly before: Served;
  readonly during: Served;
  /** From the entry into the call. */
  readonly unknownMs: number;
  readonly wellMs: number;
}

const wanted = process.argv.slice(2);
const functions = NVML_FUNCTIONS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
console.log(
  "| function | Unknown s | well again s | Get p50 | Get p99 | List p50 | List p99 | update p50 | update p99 |",
);
console.log("| --- | --: | --: | --: | --: | --: | --: | --: | --: |");
const all: Measured[] = [];
for (const nvml of functions) {
  const measured = await measure(nvml);
  all.push(measured);
  const times = [measured.unknownMs, measured.wellMs].map((ms) => (ms / 1_000).toFixed(2));
  console.log(`| ${[nvml.name, ...times, ...ratios([measured])].join(" | ")} |`);
}
const worst = (pick: (measured: Measured) => number) => (Math.max(...all.map(pick)) / 1_000).toFixed(2);
const totals = ["all together, the times at most", worst(({ unknownMs }) => unknownMs), worst(({ wellMs }) => wellMs)];
console.log(`| ${[...totals, ...ratios(all)].join(" | ")} |`);
for (const what of ["get", "list", "update"] as const) {
  const { count, p50, p99 } = quantilesOf(all.flatMap(({ before }) => before[what]));
  console.log(`\n${what} without a hang: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms of ${count}`);
}

async function measure(nvml: NvmlFunction): Promise<Measured> {
  await using server = await NvmlServer.start({ ...nvml.options, bystanderPauseMs: PAUSE_MS });
  await server.ready();
  const states = new Map(server.seen);
  // Warm: the first calls of a process are slower, and would make the hang look good.
  await Bun.sleep(SAMPLE_MS);
  await server.bystander.served();
  await Bun.sleep(SAMPLE_MS);
  const before = await server.bystander.served();

  nvml.trouble(server, "hang", 1);
  nvml.reach(server, 0);
  while (nvml.hanging(server) === 0) await Bun.sleep(POLL_MS);
  const entered = performance.now();
  await server.bystander.served();
  await server.until(() => isOut(states, server.seen, "DriverUnresponsive", nvml.name), "all are Unknown");
  const unknownMs = performance.now() - entered;
  await Bun.sleep(SAMPLE_MS - unknownMs);
  const during = await server.bystander.served();
  // Of a library that does not load, every process would hang.
  if (nvml.name === "dlopen") nvml.mend(server);
  await server.until(() => isAsBefore(states, server.seen), "all are as they were");
  const wellMs = performance.now() - entered;
  if (server.bystander.failures.length > 0) throw new Error(server.bystander.failures.join("\n"));
  return { before, during, unknownMs, wellMs };
}

function ratios(measured: readonly Measured[]): readonly string[] {
  return (["get", "list", "update"] as const).flatMap((what) => {
    const before = quantilesOf(measured.flatMap((one) => one.before[what]));
    const during = quantilesOf(measured.flatMap((one) => one.during[what]));
    return [during.p50 / before.p50, during.p99 / before.p99].map((ratio) => ratio.toFixed(2));
  });
}
