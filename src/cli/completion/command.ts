import { AdminService } from "../../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { quoted, UsageError } from "../../server/flags-kinds.ts";
import { parseFlags } from "../../server/flags-parse.ts";
import { HELP_FLAG, targetOf, withClient } from "../client-flags.ts";
import { fetchGpus } from "../gpus.ts";
import { commandHelp } from "../help.ts";
import { type Command, type CommandIo, EXIT_OK } from "../io.ts";
import { complete, type NameSource } from "./engine.ts";
import { COMPLETE_COMMAND, FILES_LINE, SCRIPTS, SHELLS, type Shell } from "./scripts.ts";

const FLAGS = { help: HELP_FLAG } as const;

export const completionCommand: Command = {
  name: "completion",
  usage: "bash | zsh | fish",
  summary: "print what makes a shell complete commands, flags and names of GPUs",
  flags: FLAGS,
  completes: { kind: "words", words: { bash: undefined, zsh: undefined, fish: undefined } },
  run,
};

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseFlags(FLAGS, args, io.env);
  if (values.help) return await commandHelp(completionCommand, io);
  const [shell, extra] = positionals;
  if (shell === undefined || !isShell(shell)) {
    const got = shell === undefined ? "" : `, not ${quoted(shell)}`;
    throw new UsageError(
      `completion: say ${SHELLS.join(", ")}${got}; such as: source <(device-api-server completion bash)`,
    );
  }
  if (extra !== undefined) throw new UsageError(`completion: unexpected argument ${quoted(extra)}`);
  await io.print(SCRIPTS[shell]);
  return EXIT_OK;
}

const isShell = (text: string): text is Shell => Object.hasOwn(SCRIPTS, text);

/** What the scripts call, with the words after "--". Not listed: it is of no use to people. */
export function createCompleteCommand(commands: readonly Command[]): Command {
  return {
    name: COMPLETE_COMMAND,
    usage: "-- WORD...",
    summary: "complete the last of the words",
    flags: {},
    async run([, ...words], io) {
      const { candidates, files } = await complete(words, { commands, names: askServer(io), env: io.env });
      const lines = candidates.map(({ text, help }) => `${text}\t${help}`);
      await io.print([...lines, ...(files ? [FILES_LINE] : [])].map((line) => `${line}\n`).join(""));
      return EXIT_OK;
    },
  };
}

/** Whoever presses Tab waits: a server that does not answer at once has no names. */
const TIMEOUT_MS = 1_000;
/** What a shell takes as one word without quotes. */
const PLAIN_WORD = /^[A-Za-z0-9][\w.:@/+-]*$/;

function askServer({ env }: CommandIo): NameSource {
  const options = { timeoutMs: TIMEOUT_MS };
  const ask = async (target: string, names: Parameters<typeof withClient<readonly string[]>>[1]) => {
    try {
      return (await withClient(targetOf(target, env), names)).filter((name) => PLAIN_WORD.test(name));
    } catch {
      return [];
    }
  };
  return {
    gpus: (target) =>
      ask(target, async (client) => {
        const { list } = await fetchGpus(client, [], TIMEOUT_MS);
        return list.items.map(({ metadata }) => metadata?.name ?? "");
      }),
    conditions: (target, gpu) =>
      ask(target, async (client) => {
        const { list } = await fetchGpus(client, gpu === undefined ? [] : [gpu], TIMEOUT_MS);
        const types = list.items.flatMap(({ status }) => status?.conditions.map(({ type }) => type) ?? []);
        // Ready is the server's own, and cannot be cleared.
        return [...new Set(types)].filter((type) => type !== "Ready");
      }),
    providers: (target) =>
      ask(target, async (client) => {
        const { providers } = await client.unary(AdminService.method.listProviders, {}, options);
        return providers.filter(({ builtIn }) => !builtIn).map(({ id }) => id);
      }),
  };
}
