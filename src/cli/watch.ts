import { toJson } from "@bufbuild/protobuf";
import type { CallOptions, Connection } from "../client/connection/connection.ts";
import { isUnimplemented } from "../client/errors.ts";
import { GpuService, type WatchGpusResponse, WatchGpusResponseSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { quoted, type StringFlag, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import {
  dial,
  GPU_OUTPUT_FLAG,
  type GpuOutputForm,
  HELP_FLAG,
  TARGET_FLAG,
  targetOf,
  timeoutFlag,
} from "./client-flags.ts";
import { CommandError, explainRpcError } from "./failure.ts";
import { commandHelp } from "./help.ts";
import { type Command, type CommandIo, EXIT_FAILURE, EXIT_OK } from "./io.ts";
import { renderStreamed } from "./render/documents.ts";
import { gpuHeadings, gpuRow } from "./render/gpu-rows.ts";
import { paintFor } from "./render/paint.ts";
import { cell, type Row, renderRow, widthsOf } from "./render/table.ts";

const FROM_FLAG: StringFlag = {
  kind: "string",
  default: "",
  help: "go on right after this version instead of showing the present state first",
  group: "Flags",
  variable: "",
  placeholder: "VERSION",
};
const FLAGS = {
  output: GPU_OUTPUT_FLAG,
  from: FROM_FLAG,
  target: TARGET_FLAG,
  timeout: { ...timeoutFlag(10), help: "how long to wait for the first answer" },
  help: HELP_FLAG,
} as const;

export const watchCommand: Command = {
  name: "watch",
  usage: "[--from VERSION]",
  summary: "show the GPUs and then every change, until interrupted",
  flags: FLAGS,
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
  io.onReaderGone(() => stop.abort());
  await using client = await dial(target);
  const render = renderer(values.output, io);
  try {
    await checkAnswers(client, { timeoutMs: values.timeout, signal: stop.signal });
    const request = { opts: { resourceVersion: values.from } };
    for await (const event of client.serverStream(GpuService.method.watchGpus, request, { signal: stop.signal })) {
      // Nobody reads any more (`watch | head`): the end that was asked for.
      if (!(await io.print(render(event)))) return EXIT_OK;
    }
  } catch (error) {
    if (!stop.signal.aborted) throw explainRpcError(error, target);
  }
  if (stop.signal.aborted) return EXIT_OK;
  throw new CommandError("the server ended the watch", EXIT_FAILURE);
}

/**
 * A stream has no time limit, and where nothing changes it is silent: whether anybody answers at all is asked before
 * it. Later on the connection's keepalive tells. A server without the health service has answered, too.
 */
async function checkAnswers(client: Connection, options: CallOptions): Promise<void> {
  try {
    await client.unary(Health.method.check, {}, options);
  } catch (error) {
    if (!isUnimplemented(error)) throw error;
  }
}

function renderer(form: GpuOutputForm, io: CommandIo): (event: WatchGpusResponse) => string {
  switch (form) {
    case "json":
    case "yaml":
      return (event) => renderStreamed(toJson(WatchGpusResponseSchema, event), form);
    case "name":
      return ({ object }) => `${object?.metadata?.name ?? ""}\n`;
    case "table":
    case "wide":
      return rowRenderer(form === "wide", io);
  }
}

/** Rows come one by one, so the widths are guessed: 80 columns with short names. What is longer widens its column. */
const WIDTHS: readonly number[] = [8, 6, 7, 12, 11, 6, 16];

function rowRenderer(wide: boolean, io: CommandIo): (event: WatchGpusResponse) => string {
  const paint = paintFor(io);
  // The wide row has the version already.
  const headings = ["EVENT", ...gpuHeadings(wide), ...(wide ? [] : ["VERSION"])];
  let widths: readonly number[] = wide ? [] : WIDTHS;
  let started = false;
  return ({ type, object }) => {
    const gpu = object === undefined ? [] : gpuRow(object, { nowMs: io.clock.wallUs() / 1_000, paint, wide });
    const row: Row = [cell(type), ...gpu, ...(wide ? [] : [object?.metadata?.resourceVersion ?? ""])];
    widths = widthsOf([headings, row], widths);
    const lines = started ? [row] : [headings.map(paint.strong), row];
    started = true;
    return lines.map((line) => `${renderRow(line, widths)}\n`).join("");
  };
}
