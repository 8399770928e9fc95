import { type IntFlag, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { HELP_FLAG } from "./client-flags.ts";
import { CommandError } from "./failure.ts";
import { commandHelp } from "./help.ts";
import { type Command, type CommandIo, EXIT_FAILURE, EXIT_OK } from "./io.ts";
import { FOLDER_MODE, prepareSocketFolder, SocketFolderError } from "./socket-folder.ts";

/** 2^32-1 is the kernel's "no id"; -1 here stands for a flag that was not given. */
const ID_MAX = 2 ** 32 - 2;

function idFlag(help: string): IntFlag {
  return {
    kind: "int",
    default: -1,
    min: 0,
    max: ID_MAX,
    help,
    group: "Flags",
    variable: "",
    placeholder: "ID",
    shownDefault: "",
  };
}

const FLAGS = {
  uid: idFlag("who is to own the folders: the uid of the server"),
  gid: idFlag("whose members may connect: the group of the folders, and of the sockets made in them"),
  help: HELP_FLAG,
} as const;

/** For an init container or another step that runs as root, so that the server itself does not have to. */
export function createPrepareSocketDirCommand(callerUid: number): Command {
  const command: Command = {
    name: "prepare-socket-dir",
    usage: "PATH...",
    summary: "give folders to a server that does not run as root, for one group to connect",
    flags: FLAGS,
    run,
  };

  async function run(args: readonly string[], io: CommandIo): Promise<number> {
    const { values, positionals } = parseFlags(FLAGS, args, io.env);
    if (values.help) return await commandHelp(command, io);
    const { uid, gid } = values;
    if (uid < 0 || gid < 0) throw new UsageError("prepare-socket-dir: say who is to have the folder: --uid and --gid");
    if (positionals.length === 0) throw new UsageError("prepare-socket-dir: give the path of a folder");
    for (const path of positionals) {
      prepare(path, { uid, gid, callerUid });
      const mode = FOLDER_MODE.toString(8);
      await io.print(`${path} belongs to uid ${uid} and gid ${gid}, mode ${mode}\n`);
    }
    return EXIT_OK;
  }
  return command;
}

function prepare(path: string, who: Parameters<typeof prepareSocketFolder>[1]): void {
  try {
    prepareSocketFolder(path, who);
  } catch (error) {
    if (!(error instanceof SocketFolderError)) throw error;
    throw new CommandError(`prepare-socket-dir: ${error.message}`, EXIT_FAILURE);
  }
}
