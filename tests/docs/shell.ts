import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

export interface Ran {
  readonly exitStatus: number;
  /** Standard output and error, in the order in which they came. */
  readonly output: readonly string[];
}

/** One bash that runs the commands of a page: what one of them sets is there for the next. */
export interface Shell extends Disposable {
  run(command: string): Promise<Ran>;
}

export interface ShellOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Against commands that never end; a busy machine takes a fraction of it. */
const COMMAND_LIMIT_MS = 30_000;
/** Ends what a command has written; no text output has it. */
const RECORD_END = "\x1e";
const WHOLE_RECORD = new RegExp(`${RECORD_END}\\d+\\n$`);

export function openShell({ cwd, env }: ShellOptions): Shell {
  // In a process group of its own: what a command leaves behind ends with the shell.
  const child = spawn("bash", ["--norc", "--noprofile"], {
    cwd,
    env,
    stdio: ["pipe", "pipe", "inherit"],
    detached: true,
  });
  child.stdout.setEncoding("utf8");
  const file = join(cwd, "command");
  return {
    async run(command) {
      // By a file: a quote that is left open is an error of this command, and does not take in the next.
      writeFileSync(file, `${command}\n`);
      child.stdin.write(`source ${file} </dev/null 2>&1; printf '${RECORD_END}%d\\n' $?\n`);
      const record = await nextRecord(child);
      const [text = "", status] = record.split(RECORD_END);
      return { exitStatus: Number(status), output: text === "" ? [] : text.replace(/\n$/, "").split("\n") };
    },
    [Symbol.dispose]() {
      if (child.pid === undefined || child.exitCode !== null) return;
      process.kill(-child.pid, "SIGKILL");
    },
  };
}

/** Rejects where the shell ends before. */
function nextRecord(child: ChildProcess & { stdin: Writable; stdout: Readable }): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const settle = (outcome: () => void) => {
      clearTimeout(late);
      child.stdout.off("data", take);
      child.off("exit", ended);
      outcome();
    };
    const take = (chunk: string) => {
      text += chunk;
      if (WHOLE_RECORD.test(text)) settle(() => resolve(text.trimEnd()));
    };
    const ended = () => settle(() => reject(new Error(`the command ended the shell:\n${text}`)));
    const tooLate = () => settle(() => reject(new Error(`no end within ${COMMAND_LIMIT_MS / 1_000} s:\n${text}`)));
    const late = setTimeout(tooLate, COMMAND_LIMIT_MS);
    child.stdout.on("data", take);
    child.once("exit", ended);
  });
}
