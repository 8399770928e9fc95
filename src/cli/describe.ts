import { toJson } from "@bufbuild/protobuf";
import { AdminService, DescribeGpuResponseSchema } from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { type IntFlag, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { HELP_FLAG, TARGET_FLAG, TEXT_OUTPUT_FLAG, targetOf, timeoutFlag, withClient } from "./client-flags.ts";
import { explainRpcError } from "./failure.ts";
import { commandHelp } from "./help.ts";
import { type Command, type CommandIo, EXIT_OK } from "./io.ts";
import { renderDescription } from "./render/description.ts";
import { renderDocument, renderStreamed } from "./render/documents.ts";
import { paintFor } from "./render/paint.ts";

const EVENTS_FLAG: IntFlag = {
  kind: "int",
  default: 10,
  min: 1,
  max: 500,
  help: "how many events to show",
  group: "Flags",
  variable: "",
};
const FLAGS = {
  output: { ...TEXT_OUTPUT_FLAG, help: `${TEXT_OUTPUT_FLAG.help}; JSON and YAML are without the events` },
  events: EVENTS_FLAG,
  target: TARGET_FLAG,
  timeout: timeoutFlag(10),
  help: HELP_FLAG,
} as const;

export const describeCommand: Command = {
  name: "describe",
  usage: "NAME...",
  summary: "show all about a GPU: its conditions, who reports them, what operators did, and what changed last",
  flags: FLAGS,
  completes: { kind: "gpus", many: true },
  run,
};

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals: names } = parseFlags(FLAGS, args, io.env);
  if (values.help) return await commandHelp(describeCommand, io);
  if (names.length === 0) throw new UsageError('describe: say which GPU, such as "describe gpu-0"; "get" lists them');
  const target = targetOf(values.target, io.env);
  const { output, timeout: timeoutMs } = values;
  const { describeGpu, listEvents } = AdminService.method;
  try {
    await withClient(target, async (client) => {
      for (const [i, name] of names.entries()) {
        const reply = await client.unary(describeGpu, { name }, { timeoutMs });
        if (output === "text") {
          const { events } = await client.unary(listEvents, { name, limit: values.events }, { timeoutMs });
          const context = { nowMs: io.clock.wallUs() / 1_000, paint: paintFor(io), columns: io.terminal?.columns };
          await io.print((i === 0 ? "" : "\n") + renderDescription(reply, events, context));
        } else {
          const json = toJson(DescribeGpuResponseSchema, reply, { alwaysEmitImplicit: true });
          await io.print(names.length === 1 ? renderDocument(json, output) : renderStreamed(json, output));
        }
      }
    });
    return EXIT_OK;
  } catch (error) {
    throw explainRpcError(error, target);
  }
}
