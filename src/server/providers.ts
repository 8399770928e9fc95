import { nvmlShim, readCallsPage } from "../native/nvml.ts";
import { createFrameDecoder } from "../provider/nvml/frames.ts";
import { NvmlProvider } from "../provider/nvml/nvml-provider.ts";
import { CALLS_FD, createProcessLauncher } from "../provider/nvml/process-launcher.ts";
import { DEFAULT_THRESHOLDS } from "../provider/nvml/thresholds.ts";
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
  const { driverRoot, periodMs, healthCheck, ignoredXids } = config;
  const args = [
    `--driver-root=${driverRoot}`,
    `--period-ms=${periodMs}`,
    `--events=${healthCheck}`,
    `--calls-fd=${CALLS_FD}`,
  ];
  const launcher = createProcessLauncher({
    command: [...self.command, "nvml-host", ...args],
    env: self.env,
    createDecoder: createFrameDecoder,
    callsPage: { create: () => nvmlShim().createCallsPage(), read: readCallsPage },
    scheduler,
    log,
  });
  const thresholds = DEFAULT_THRESHOLDS;
  return new NvmlProvider({
    launcher,
    clock,
    scheduler,
    random,
    log,
    periodMs,
    thresholds,
    ignoredXids,
    healthCheck,
  });
}
