import { AdminService } from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { type IntFlag, quoted, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { HELP_FLAG, TARGET_FLAG, targetOf, timeoutFlag, withClient } from "./client-flags.ts";
import { explainRpcError } from "./failure.ts";
import { commandHelp } from "./help.ts";
import { type Command, type CommandIo, EXIT_OK } from "./io.ts";

/** 0 stands for "not given": there is no Xid 0. */
const XID_FLAG: IntFlag = {
  kind: "int",
  default: 0,
  min: 1,
  max: 1_023,
  help: "the fault to play, by its Xid (break only)",
  group: "Flags",
  variable: "",
  shownDefault: "none",
};
const FLAGS = { xid: XID_FLAG, target: TARGET_FLAG, timeout: timeoutFlag(10), help: HELP_FLAG } as const;

const ONE_GPU = { kind: "gpus", many: false } as const;

export const simulateCommand: Command = {
  name: "simulate",
  usage: "break NAME --xid N | heal NAME",
  summary: "play a fault on a simulated GPU, or undo it",
  flags: FLAGS,
  completes: { kind: "words", words: { break: ONE_GPU, heal: ONE_GPU } },
  run,
};

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseFlags(FLAGS, args, io.env);
  if (values.help) return await commandHelp(simulateCommand, io);
  const [action, name, extra] = positionals;
  checkArguments(action, name, extra, values.xid);
  const target = targetOf(values.target, io.env);
  const options = { timeoutMs: values.timeout };
  try {
    const { resourceVersion } = await withClient(target, async (client) => {
      const { simulateBreak, simulateHeal } = AdminService.method;
      return action === "break"
        ? await client.unary(simulateBreak, { name: name ?? "", xid: values.xid }, options)
        : await client.unary(simulateHeal, { name: name ?? "" }, options);
    });
    const done = action === "break" ? `is broken by Xid ${values.xid}` : "is well again";
    await io.print(`${name} ${done} (version ${resourceVersion})\n`);
    return EXIT_OK;
  } catch (error) {
    throw explainRpcError(error, target);
  }
}

function checkArguments(action: string | undefined, name: string | undefined, extra: string | undefined, xid: number) {
  if (action !== "break" && action !== "heal") {
    const got = action === undefined ? "" : `, not ${quoted(action)}`;
    throw new UsageError(`simulate: say "break NAME --xid N" or "heal NAME"${got}`);
  }
  if (name === undefined) throw new UsageError(`simulate ${action}: the GPU's name is missing`);
  if (extra !== undefined) throw new UsageError(`simulate ${action}: unexpected argument ${quoted(extra)}`);
  if (action === "heal" && xid !== 0)
    throw new UsageError("simulate heal: it takes no --xid; it ends whatever is played");
  if (action === "break" && xid === 0) throw new UsageError("simulate break: --xid is missing, such as --xid 79");
}
