/**
 * One server's NVML provider, with the binary as its host process, which is killed so many times as soon as its first
 * round has come. Prints the descriptors and threads of this process after the first start and at the end. The backoff
 * of the server would make 100 restarts take an hour, so here it is short.
 *
 * Arguments: BINARY DRIVER_ROOT COUNT.
 */
import { systemClock, systemScheduler } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/log.ts";
import { readCallsPage } from "../../src/native/calls-page.ts";
import { nvmlShim } from "../../src/native/nvml.ts";
import { createFrameDecoder } from "../../src/provider/nvml/frames.ts";
import type { HostLauncher } from "../../src/provider/nvml/host-launcher.ts";
import { NvmlProvider } from "../../src/provider/nvml/nvml-provider.ts";
import { CALLS_FD, createProcessLauncher } from "../../src/provider/nvml/process-launcher.ts";
import { SUPERVISOR_DEFAULTS } from "../../src/provider/nvml/supervisor.ts";
import { DEFAULT_THRESHOLDS } from "../../src/provider/nvml/thresholds.ts";
import { watchdogLimits } from "../../src/provider/nvml/watchdog.ts";
import { type Held, heldBy } from "./held.ts";

const PERIOD_MS = 100;
const [binary = "", driverRoot = "", count = ""] = process.argv.slice(2);

const args = [`--driver-root=${driverRoot}`, `--period-ms=${PERIOD_MS}`, `--calls-fd=${CALLS_FD}`];
const launcher = createProcessLauncher({
  command: [binary, "nvml-host", ...args],
  env: process.env,
  createDecoder: createFrameDecoder,
  callsPage: { create: () => nvmlShim().createCallsPage(), read: readCallsPage },
  clock: systemClock,
  scheduler: systemScheduler,
  log: silentLogger,
});
let round = Promise.withResolvers<number>();
let killed = 0;
const noting: HostLauncher = {
  ...launcher,
  launch(listener) {
    const host = launcher.launch({
      ...listener,
      messages(batch) {
        listener.messages(batch);
        if (host.pid !== killed && batch.some(({ kind }) => kind === "round")) round.resolve(host.pid);
      },
    });
    return host;
  },
};
await using provider = new NvmlProvider({
  launcher: noting,
  clock: systemClock,
  scheduler: systemScheduler,
  random: () => 0,
  log: silentLogger,
  periodMs: PERIOD_MS,
  thresholds: DEFAULT_THRESHOLDS,
  ignoredXids: new Set(),
  healthCheck: true,
  limits: { ...SUPERVISOR_DEFAULTS, backoff: { firstMs: 20, maxMs: 20 }, watchdog: watchdogLimits(PERIOD_MS) },
});

await provider.start({
  publish: () => Promise.resolve(new Map()),
  withdraw: () => Promise.resolve(),
});

function held(): Promise<Held> {
  // What the collector frees is no leak.
  Bun.gc(true);
  return heldBy("self");
}

let first: Held | undefined;
for (let i = 0; i <= Number(count); i++) {
  const pid = await round.promise;
  first ??= await held();
  if (i === Number(count)) break;
  killed = pid;
  round = Promise.withResolvers();
  process.kill(pid, "SIGKILL");
}
console.log(JSON.stringify({ first, last: await held() }));
