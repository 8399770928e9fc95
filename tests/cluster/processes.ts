import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The programs of the node, each with a log; all of them are ended with the last started first. */
export class Processes implements AsyncDisposable {
  readonly #folder: string;
  readonly #running: { readonly name: string; readonly child: Bun.Subprocess; readonly log: string }[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  start(name: string, command: readonly string[], env: Record<string, string> = {}): void {
    const log = join(this.#folder, `${name}.log`);
    const fd = openSync(log, "w");
    const child = Bun.spawn([...command], {
      cwd: this.#folder,
      env: { ...process.env, ...env },
      stdin: "ignore",
      stdout: fd,
      stderr: fd,
    });
    closeSync(fd);
    this.#running.push({ name, child, log });
  }

  /** Throws, with the end of its log, where a program has ended. */
  check(): void {
    for (const { name, child, log } of this.#running) {
      if (child.exitCode === null && child.signalCode === null) continue;
      const lines = readFileSync(log, "utf8").trimEnd().split("\n").slice(-15);
      throw new Error(`${name} has ended (${child.exitCode ?? child.signalCode}):\n${lines.join("\n")}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#running.toReversed()) {
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), END_LIMIT_MS);
      await child.exited;
      clearTimeout(late);
    }
  }
}

/** etcd and the API server take some 5 s. */
const END_LIMIT_MS = 15_000;

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command to its end. */
export async function tryRun(
  command: readonly string[],
  env: Record<string, string> = {},
  input = "",
): Promise<Outcome> {
  const child = Bun.spawn([...command], {
    env: { ...process.env, ...env },
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, out, err };
}

/** Runs a command to its end, and throws with what it wrote where it fails. */
export async function run(command: readonly string[], env: Record<string, string> = {}, input = ""): Promise<string> {
  const { code, out, err } = await tryRun(command, env, input);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${out}${err}`);
  return out;
}

/** Asks until the answer is neither undefined nor an error; then says what it waited for. */
export async function until<T>(what: string, ask: () => Promise<T | undefined>, limitMs = 90_000): Promise<T> {
  const end = performance.now() + limitMs;
  let trouble = "";
  for (;;) {
    const answer = await ask().catch((error: unknown) => {
      trouble = `: ${error instanceof Error ? error.message : String(error)}`;
      return undefined;
    });
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`${what}: not within ${limitMs / 1_000} s${trouble}`);
    await Bun.sleep(200);
  }
}
