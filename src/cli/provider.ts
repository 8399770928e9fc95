import { toJson } from "@bufbuild/protobuf";
import { printable } from "../base/log-text.ts";
import {
  AdminService,
  type ForgetProviderResponse,
  ListProvidersResponseSchema,
} from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { type BoolFlag, type FlagValues, quoted, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { HELP_FLAG, OUTPUT_FLAG, REASON_FLAG, TARGET_FLAG, targetOf, timeoutFlag, withClient } from "./client-flags.ts";
import { explainRpcError } from "./failure.ts";
import { commandHelp } from "./help.ts";
import { type Command, type CommandIo, EXIT_OK } from "./io.ts";
import { renderDocument } from "./render/documents.ts";
import { renderProviders } from "./render/provider-table.ts";

const FORCE_FLAG: BoolFlag = {
  kind: "bool",
  default: false,
  help: "also a provider whose lease is in force; one that still runs has to register anew (forget only)",
  group: "Flags",
  variable: "",
};
const FLAGS = {
  output: { ...OUTPUT_FLAG, help: `${OUTPUT_FLAG.help} (list only)` },
  force: FORCE_FLAG,
  reason: { ...REASON_FLAG, help: `${REASON_FLAG.help} (forget only)` },
  target: TARGET_FLAG,
  timeout: timeoutFlag(10),
  help: HELP_FLAG,
} as const;

export const providerCommand: Command = {
  name: "provider",
  usage: "list | forget ID",
  summary: "show who reports health here, or remove all that a provider has left behind",
  flags: FLAGS,
  completes: { kind: "words", words: { list: undefined, forget: { kind: "providers" } } },
  run,
};

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseFlags(FLAGS, args, io.env);
  if (values.help) return await commandHelp(providerCommand, io);
  const asked = readArguments(positionals);
  checkFlags(asked, values);
  const target = targetOf(values.target, io.env);
  const options = { timeoutMs: values.timeout };
  const { listProviders, forgetProvider } = AdminService.method;
  try {
    await withClient(target, async (client) => {
      if (asked.action === "list") {
        const reply = await client.unary(listProviders, {}, options);
        const { output } = values;
        const json = () => toJson(ListProvidersResponseSchema, reply, { alwaysEmitImplicit: true });
        const table = () => renderProviders(reply.providers, io.clock.wallUs() / 1_000);
        await io.print(output === "table" ? table() : renderDocument(json(), output));
      } else {
        const { reason, force } = values;
        const reply = await client.unary(forgetProvider, { id: asked.id, reason, force }, options);
        await io.print(describeForgotten(asked.id, reply));
      }
    });
    return EXIT_OK;
  } catch (error) {
    throw explainRpcError(error, target);
  }
}

type Asked = { readonly action: "list" } | { readonly action: "forget"; readonly id: string };

function readArguments([action, ...rest]: readonly string[]): Asked {
  const unexpected = (extra: string) => new UsageError(`provider ${action}: unexpected argument ${quoted(extra)}`);
  if (action === "list") {
    if (rest[0] !== undefined) throw unexpected(rest[0]);
    return { action };
  }
  if (action === "forget") {
    const [id, extra] = rest;
    if (id === undefined) throw new UsageError('provider forget: the id is missing; "provider list" has them');
    if (extra !== undefined) throw unexpected(extra);
    return { action, id };
  }
  const got = action === undefined ? "" : `, not ${quoted(action)}`;
  throw new UsageError(`provider: say "list" or "forget ID"${got}`);
}

/** A flag that does nothing would be taken for one that did. */
function checkFlags({ action }: Asked, { output, force, reason }: FlagValues<typeof FLAGS>): void {
  const stray = {
    list: [force && "--force", reason !== "" && "--reason"],
    forget: [output !== FLAGS.output.default && "--output"],
  }[action].find((flag) => flag !== false);
  if (stray !== undefined) throw new UsageError(`provider ${action}: it takes no ${stray}`);
}

/** What went, a line each. */
export function describeForgotten(id: string, reply: ForgetProviderResponse): string {
  const { gpus, conditions, deletedGpus, resourceVersion } = reply;
  const what = `${count(conditions, "condition")} on ${count(gpus, "GPU")}`;
  const lines = [
    `provider ${id} is forgotten, with ${what} (version ${resourceVersion})`,
    ...deletedGpus.map((name) => `${name} is deleted: nobody else has registered it`),
  ];
  return lines.map((line) => `${printable(line)}\n`).join("");
}

const count = (number: number, word: string): string => `${number} ${word}${number === 1 ? "" : "s"}`;
