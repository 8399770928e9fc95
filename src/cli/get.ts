import { create, toJson } from "@bufbuild/protobuf";
import type { Connection } from "../client/connection/connection.ts";
import { type Gpu, type GpuList, GpuListSchema, GpuSchema, GpuService } from "../gen/device/v1alpha1/gpu_pb.ts";
import { renderFlags } from "../server/flags-help.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { HELP_FLAG, OUTPUT_FLAG, TARGET_FLAG, targetOf, timeoutFlag, withClient } from "./client-flags.ts";
import { explainRpcError } from "./failure.ts";
import { GPU_HEADINGS, gpuRow, renderTable } from "./gpu-table.ts";
import { commandHelp } from "./help.ts";
import { type Command, type CommandIo, EXIT_OK } from "./io.ts";

const FLAGS = { output: OUTPUT_FLAG, target: TARGET_FLAG, timeout: timeoutFlag(10), help: HELP_FLAG } as const;

export const getCommand: Command = {
  name: "get",
  usage: "[NAME...]",
  summary: "show all GPUs, or those named",
  flagHelp: () => renderFlags(FLAGS),
  run,
};

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals: names } = parseFlags(FLAGS, args, io.env);
  if (values.help) return await commandHelp(getCommand, io);
  const target = targetOf(values.target, io.env);
  try {
    const list = await withClient(target, (client) => fetchGpus(client, names, values.timeout));
    await io.print(values.output === "json" ? renderJson(list, names) : renderGpus(list.items, io));
    return EXIT_OK;
  } catch (error) {
    throw explainRpcError(error, target);
  }
}

async function fetchGpus(client: Connection, names: readonly string[], timeoutMs: number): Promise<GpuList> {
  if (names.length === 0) {
    const reply = await client.unary(GpuService.method.listGpus, {}, { timeoutMs });
    return reply.gpuList ?? create(GpuListSchema);
  }
  const items: Gpu[] = [];
  for (const name of names) {
    const { gpu } = await client.unary(GpuService.method.getGpu, { name }, { timeoutMs });
    if (gpu !== undefined) items.push(gpu);
  }
  return create(GpuListSchema, { items });
}

/** One name gives the object, anything else a list: as the calls behind them do. */
function renderJson(list: GpuList, names: readonly string[]): string {
  const [only] = list.items;
  const json = names.length === 1 && only !== undefined ? toJson(GpuSchema, only) : toJson(GpuListSchema, list);
  return `${JSON.stringify(json, undefined, 2)}\n`;
}

function renderGpus(gpus: readonly Gpu[], io: CommandIo): string {
  if (gpus.length === 0) return "no GPUs\n";
  const nowMs = io.clock.wallUs() / 1_000;
  return renderTable([GPU_HEADINGS, ...gpus.map((gpu) => gpuRow(gpu, nowMs))]);
}
