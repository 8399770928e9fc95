import { toJson } from "@bufbuild/protobuf";
import { GpuService, type WatchGpusResponse, WatchGpusResponseSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import { renderFlags } from "../server/flags-help.ts";
import type { StringFlag } from "../server/flags-kinds.ts";
import { quoted, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { dial, HELP_FLAG, OUTPUT_FLAG, type OutputForm, TARGET_FLAG, targetOf } from "./client-flags.ts";
import { CommandError, explainRpcError } from "./failure.ts";
import { GPU_HEADINGS, gpuRow, type Row, renderRow } from "./gpu-table.ts";
import { commandHelp } from "./help.ts";
import { type Command, type CommandIo, EXIT_FAILURE, EXIT_OK } from "./io.ts";

const FROM_FLAG: StringFlag = {
  kind: "string",
  default: "",
  help: "go on right after this version instead of showing the present state first",
  group: "Flags",
  variable: "",
  placeholder: "VERSION",
};
const FLAGS = { output: OUTPUT_FLAG, from: FROM_FLAG, target: TARGET_FLAG, help: HELP_FLAG } as const;

export const watchCommand: Command = {
  name: "watch",
  usage: "[--from VERSION]",
  summary: "show the GPUs and then every change, until interrupted",
  flagHelp: () => renderFlags(FLAGS),
  run,
};

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseFlags(FLAGS, args, io.env);
  if (values.help) return await commandHelp(watchCommand, io);
  if (positionals[0] !== undefined) throw new UsageError(`watch: unexpected argument ${quoted(positionals[0])}`);
  if (!/^\d*$/.test(values.from)) throw new UsageError(`--from: ${quoted(values.from)} is not a version number`);
  const target = targetOf(values.target, io.env);
  const stop = new AbortController();
  io.onSignal(() => stop.abort());
  await using client = dial(target);
  const print = printer(values.output, io);
  try {
    const request = { opts: { resourceVersion: values.from } };
    for await (const event of client.serverStream(GpuService.method.watchGpus, request, { signal: stop.signal })) {
      // Nobody reads any more (`watch | head`): the end that was asked for.
      if (!(await print(event))) return EXIT_OK;
    }
  } catch (error) {
    throw explainRpcError(error, target);
  }
  if (stop.signal.aborted) return EXIT_OK;
  throw new CommandError("the server ended the watch", EXIT_FAILURE);
}

const HEADINGS: Row = ["EVENT", ...GPU_HEADINGS, "VERSION"];
/** Rows come one by one, so the widths are guessed: 80 columns with short names. What is longer widens its column. */
const WIDTHS: readonly number[] = [8, 6, 7, 12, 11, 6, 16];

function printer(form: OutputForm, io: CommandIo): (event: WatchGpusResponse) => Promise<boolean> {
  if (form === "json") {
    return (event) => io.print(`${JSON.stringify(toJson(WatchGpusResponseSchema, event))}\n`);
  }
  let widths = WIDTHS;
  let started = false;
  return ({ type, object }) => {
    const gpu = object === undefined ? [] : gpuRow(object, io.clock.wallUs() / 1_000);
    const row = [type, ...gpu, object?.metadata?.resourceVersion ?? ""];
    widths = widths.map((width, i) => Math.max(width, row[i]?.length ?? 0));
    const heading = started ? "" : renderRow(HEADINGS, widths);
    started = true;
    return io.print(heading + renderRow(row, widths));
  };
}
