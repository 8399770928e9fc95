import { writeFileSync } from "node:fs";
import { systemScheduler } from "../base/clock.ts";
import { printable } from "../base/log-text.ts";
import { nvmlShim } from "../native/nvml.ts";
import { failureOf } from "../provider/nvml/host/frame-source.ts";
import { runHost } from "../provider/nvml/host/run-host.ts";
import { quoted, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { type Command, type CommandIo, EXIT_FAILURE, EXIT_OK } from "./io.ts";

const GROUP = "NVML host";

/**
 * A fault is served within a second of its being readable (p99): the period is half of that, which leaves the rest for
 * the round itself, the pipe and a busy machine. A round after an event comes at once, whatever the period.
 */
const PERIOD_DEFAULT_MS = 500;

const FLAGS = {
  "driver-root": {
    kind: "string",
    default: "",
    group: GROUP,
    variable: "",
    help: "where the driver's files are",
  },
  "period-ms": {
    kind: "int",
    default: PERIOD_DEFAULT_MS,
    min: 10,
    max: 3_600_000,
    group: GROUP,
    variable: "",
    help: "between two readings of all GPUs",
  },
  "calls-fd": {
    kind: "int",
    default: -1,
    min: -1,
    max: 1_024,
    group: GROUP,
    variable: "",
    help: "an inherited page that shows the running calls; -1 for none",
  },
  events: { kind: "bool", default: true, group: GROUP, variable: "", help: "listen to the driver's events too" },
  mig: { kind: "bool", default: false, group: GROUP, variable: "", help: "look for MIG instances too" },
} as const;

/**
 * The process that the server puts between itself and the driver. What the server has as its standard output is frames,
 * not text; what the driver's library prints there comes by way of standard error.
 */
export const nvmlHostCommand: Command = {
  name: "nvml-host",
  usage: "",
  summary: "read the GPUs of this node for the server that started it",
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseFlags(FLAGS, args, io.env);
  if (positionals[0] !== undefined) throw new UsageError(`nvml-host: unexpected argument ${quoted(positionals[0])}`);
  nameProcess();
  const nvml = nvmlShim();
  const output = Bun.file(nvml.takeStdout()).writer();
  const handle = nvml.open({
    driverRoot: values["driver-root"],
    periodMs: values["period-ms"],
    events: values.events,
    mig: values.mig,
    callsFd: values["calls-fd"],
  });
  const ending = await runHost({
    handle,
    version: io.version,
    signals: Bun.file(handle.signalFd).stream(),
    input: Bun.stdin.stream(),
    async write(bytes) {
      output.write(bytes);
      await output.flush();
    },
    onStop: (listener) => io.onSignal(listener),
    scheduler: systemScheduler,
  });
  if (ending === "failed") await io.complain(printable(failureOf(handle)));
  // A thread may be inside the driver for ever, and the libraries' own exit handlers might wait for it.
  return nvml.exit(ending === "failed" ? EXIT_FAILURE : EXIT_OK);
}

/** Started by /proc/self/exe it would be called "exe" in lists of processes and the kernel's log. */
function nameProcess(): void {
  try {
    writeFileSync("/proc/self/comm", nvmlHostCommand.name);
  } catch {
    // A name is not worth a failure.
  }
}
