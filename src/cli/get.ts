import { toJson } from "@bufbuild/protobuf";
import { type GpuList, GpuListSchema, GpuSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import { type BoolFlag, quoted } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import {
  GPU_OUTPUT_FLAG,
  type GpuOutputForm,
  HELP_FLAG,
  TARGET_FLAG,
  targetOf,
  timeoutFlag,
  withClient,
} from "./client-flags.ts";
import { explainRpcError } from "./failure.ts";
import { fetchGpus } from "./gpus.ts";
import { commandHelp, PROGRAM } from "./help.ts";
import { type Command, type CommandIo, EXIT_FAILURE, EXIT_OK } from "./io.ts";
import { renderDocument } from "./render/documents.ts";
import { gpuHeadings, gpuRow, isReady } from "./render/gpu-rows.ts";
import { paintFor } from "./render/paint.ts";
import { renderTable } from "./render/table.ts";

const CHECK_FLAG: BoolFlag = {
  kind: "bool",
  default: false,
  help: "end with status 1 if one of the GPUs shown is not Ready",
  group: "Flags",
  variable: "",
};
const FLAGS = {
  output: GPU_OUTPUT_FLAG,
  check: CHECK_FLAG,
  target: TARGET_FLAG,
  timeout: timeoutFlag(10),
  help: HELP_FLAG,
} as const;

export const getCommand: Command = {
  name: "get",
  usage: "[NAME...]",
  summary: "show all GPUs, or those named",
  flags: FLAGS,
  completes: { kind: "gpus", many: true },
  run,
};

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals: names } = parseFlags(FLAGS, args, io.env);
  if (values.help) return await commandHelp(getCommand, io);
  const target = targetOf(values.target, io.env);
  try {
    const { list, missing } = await withClient(target, (client) => fetchGpus(client, names, values.timeout));
    if (list.items.length > 0 || isDocument(values.output)) await io.print(render(list, names, values.output, io));
    else if (missing.length === 0) await io.complain(NO_GPUS);
    for (const name of missing) await io.complain(`${PROGRAM}: no GPU is named ${quoted(name)}`);
    const failed = missing.length > 0 || (values.check && !list.items.every(isReady));
    return failed ? EXIT_FAILURE : EXIT_OK;
  } catch (error) {
    throw explainRpcError(error, target);
  }
}

/** Not on standard output: there, every line is a GPU. */
const NO_GPUS =
  "no GPUs: no provider has registered one; the server itself does with --enable-nvml-provider, or --simulate N";

const isDocument = (form: GpuOutputForm): form is "json" | "yaml" => form === "json" || form === "yaml";

function render(list: GpuList, names: readonly string[], form: GpuOutputForm, io: CommandIo): string {
  if (isDocument(form)) {
    // One name gives the object, anything else a list: as the calls behind them do.
    const [only] = list.items;
    const alone = names.length === 1 && only !== undefined;
    return renderDocument(alone ? toJson(GpuSchema, only) : toJson(GpuListSchema, list), form);
  }
  if (form === "name") return list.items.map((gpu) => `${gpu.metadata?.name ?? ""}\n`).join("");
  const paint = paintFor(io);
  const wide = form === "wide";
  const context = { nowMs: io.clock.wallUs() / 1_000, paint, wide };
  return renderTable([gpuHeadings(wide).map(paint.strong), ...list.items.map((gpu) => gpuRow(gpu, context))]);
}
