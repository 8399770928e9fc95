import { AdminService } from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { type IntFlag, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { HELP_FLAG, TARGET_FLAG, targetOf, timeoutFlag, withClient } from "./client-flags.ts";
import { explainRpcError } from "./failure.ts";
import { commandHelp } from "./help.ts";
import { type Command, type CommandIo, EXIT_OK } from "./io.ts";
import { renderDescription } from "./render/description.ts";
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
const FLAGS = { events: EVENTS_FLAG, target: TARGET_FLAG, timeout: timeoutFlag(10), help: HELP_FLAG } as const;

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
  const options = { timeoutMs: values.timeout };
  const { describeGpu, listEvents } = AdminService.method;
  try {
    await withClient(target, async (client) => {
      for (const [i, name] of names.entries()) {
        const reply = await client.unary(describeGpu, { name }, options);
        const { events } = await client.unary(listEvents, { name, limit: values.events }, options);
        const context = { nowMs: io.clock.wallUs() / 1_000, paint: paintFor(io), columns: io.terminal?.columns };
        await io.print((i === 0 ? "" : "\n") + renderDescription(reply, events, context));
      }
    });
    return EXIT_OK;
  } catch (error) {
    throw explainRpcError(error, target);
  }
}
