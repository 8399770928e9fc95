import { readCallsPage } from "../native/calls-page.ts";
import { nvmlShim } from "../native/nvml.ts";
import { createFrameDecoder } from "../provider/nvml/frames.ts";
import { NvmlProvider } from "../provider/nvml/nvml-provider.ts";
import { CALLS_FD, createProcessLauncher } from "../provider/nvml/process-launcher.ts";
import { SimulatedProvider } from "../provider/simulated/simulated-provider.ts";
import type { ServerIo } from "./app.ts";
import type { Config } from "./config.ts";

/** The providers that are part of the server; undefined for those that are off. */
export interface BuiltinProviders {
  readonly simulated: SimulatedProvider | undefined;
  readonly nvml: NvmlProvider | undefined;
}

export function createProviders(config: Config, io: ServerIo): BuiltinProviders {
  return {
    simulated: config.simulatedGpus > 0 ? new SimulatedProvider(config.simulatedGpus) : undefined,
    nvml: config.nvml.enabled ? createNvmlProvider(config.nvml, io) : undefined,
  };
}

function createNvmlProvider(config: Config["nvml"], { log, clock, scheduler, random, self }: ServerIo): NvmlProvider {
  const { driverRoot, periodMs, hangTimeoutMs, healthCheck, ignoredXids, mig, thresholds } = config;
  const args = [
    `--driver-root=${driverRoot}`,
    `--period-ms=${periodMs}`,
    `--events=${healthCheck}`,
    `--mig=${mig}`,
    `--calls-fd=${CALLS_FD}`,
  ];
  const launcher = createProcessLauncher({
    command: [...self.command, "nvml-host", ...args],
    argv0: self.argv0,
    env: self.env,
    createDecoder: createFrameDecoder,
    callsPage: { create: () => nvmlShim().createCallsPage(), read: readCallsPage },
    clock,
    scheduler,
    log,
  });
  return new NvmlProvider({
    launcher,
    clock,
    scheduler,
    random,
    log,
    periodMs,
    hangTimeoutMs,
    thresholds,
    ignoredXids,
    healthCheck,
  });
}
