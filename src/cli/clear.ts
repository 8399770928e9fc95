import { printable } from "../base/log-text.ts";
import { AdminService, type ClearFaultsResponse } from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { quoted, type StringFlag, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { HELP_FLAG, REASON_FLAG, TARGET_FLAG, targetOf, timeoutFlag, withClient } from "./client-flags.ts";
import { CommandError, explainRpcError } from "./failure.ts";
import { commandHelp } from "./help.ts";
import { type Command, type CommandIo, EXIT_FAILURE, EXIT_OK } from "./io.ts";

const TYPE_FLAG: StringFlag = {
  kind: "string",
  default: "",
  help: "the condition to clear, such as NVMLReady",
  group: "Flags",
  variable: "",
  placeholder: "TYPE",
  shownDefault: "all",
};
const FLAGS = {
  type: TYPE_FLAG,
  reason: { ...REASON_FLAG, help: `${REASON_FLAG.help}; required` },
  target: TARGET_FLAG,
  timeout: timeoutFlag(10),
  help: HELP_FLAG,
} as const;

export const clearCommand: Command = {
  name: "clear",
  usage: "NAME --reason TEXT",
  summary: "end a GPU's faults by your word, until the next bad reading or Xid",
  flags: FLAGS,
  completes: { kind: "gpus", many: false },
  completesValues: { type: { kind: "conditions" } },
  run,
};

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseFlags(FLAGS, args, io.env);
  if (values.help) return await commandHelp(clearCommand, io);
  const [name, extra] = positionals;
  if (name === undefined) throw new UsageError("clear: the GPU's name is missing");
  if (extra !== undefined) throw new UsageError(`clear: unexpected argument ${quoted(extra)}`);
  const { type, reason } = values;
  if (reason.trim() === "") throw new UsageError('clear: --reason is missing, such as --reason "GPU was replaced"');
  const target = targetOf(values.target, io.env);
  const request = { name, type, reason };
  const options = { timeoutMs: values.timeout };
  try {
    const reply = await withClient(target, (client) => client.unary(AdminService.method.clearFaults, request, options));
    if (reply.cleared.length === 0) throw new CommandError(describeNothing(reply, type), EXIT_FAILURE);
    await io.print(describeCleared(reply));
    return EXIT_OK;
  } catch (error) {
    throw explainRpcError(error, target);
  }
}

/** What was done and how the GPU is now, a line each. */
export function describeCleared(reply: ClearFaultsResponse): string {
  const name = nameOf(reply);
  const { resourceVersion: version = 0n } = reply.gpu ?? {};
  const lines = [
    ...reply.cleared.map(({ type, reason }) => `${name}: cleared ${type}, which was ${reason}`),
    ...reply.remaining.map(
      ({ type, reason, providerId }) => `${name}: ${type} is still ${reason}, says provider ${providerId}`,
    ),
    `${name}: ${readyOf(reply)} (version ${version}); the next bad reading raises a fault again`,
  ];
  return lines.map((line) => `${printable(line)}\n`).join("");
}

/** Why there was nothing to clear, in one line. */
export function describeNothing(reply: ClearFaultsResponse, type: string): string {
  const faults = reply.remaining.map((fault) => `${fault.type} (${fault.reason})`).join(", ");
  if (reply.remaining.some((fault) => type === "" || fault.type === type)) {
    const where = "a fault of a whole GPU ends there, not on a MIG instance";
    return `nothing was cleared: ${nameOf(reply)} has ${faults}; ${where}`;
  }
  const which = type === "" ? "no fault" : `no fault of type ${quoted(type)}`;
  const others = faults === "" ? "" : `; it has ${faults}`;
  return `nothing to clear: ${nameOf(reply)} has ${which}${others}; ${readyOf(reply)}`;
}

const nameOf = ({ gpu }: ClearFaultsResponse): string => gpu?.metadata?.name ?? "";

function readyOf({ gpu }: ClearFaultsResponse): string {
  const ready = gpu?.status?.conditions.find(({ type }) => type === "Ready");
  return ready === undefined ? "nobody has reported on it" : `Ready is ${ready.status} (${ready.reason})`;
}
