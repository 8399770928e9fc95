import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY, type RunningBinary } from "../support/binary.ts";

export const ROOT = join(import.meta.dir, "../..");

/** An example that runs until it is stopped. */
export interface RunningExample extends AsyncDisposable {
  /** Resolves when it has written so many lines to its output, or to its stderr. */
  untilLines(count: number, to?: "stdout" | "stderr"): Promise<void>;
  /** What it has written to its stderr. */
  readonly errors: string;
  /** Ctrl-C; resolves to what it wrote to its output, and fails where it did not end well. */
  stop(): Promise<string>;
}

/** Without the settings of whoever runs the tests. */
const envOf = (target: string) => ({ PATH: process.env["PATH"] ?? "", NVIDIA_DEVICE_API_TARGET: target });

/** As `./dev example NAME` runs it. */
export const exampleCommand = (name: string): readonly string[] => [process.execPath, "scripts/example.ts", name];

export function startExample(command: readonly string[], target: string): RunningExample {
  const env = envOf(target);
  const child = Bun.spawn([...command], { cwd: ROOT, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const written = { stdout: "", stderr: "" };
  let wake = () => {};
  const collect = async (to: "stdout" | "stderr") => {
    const decoder = new TextDecoder();
    for await (const chunk of child[to]) {
      written[to] += decoder.decode(chunk, { stream: true });
      wake();
    }
    wake();
  };
  const all = async () => {
    await read;
    return written.stdout + written.stderr;
  };
  const read = Promise.all([collect("stdout"), collect("stderr")]);
  return {
    get errors() {
      return written.stderr;
    },
    async untilLines(count, to = "stdout") {
      while (written[to].split("\n").length <= count) {
        if (child.exitCode !== null) throw new Error(`it ended (${child.exitCode}):\n${await all()}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async stop() {
      child.kill("SIGINT");
      const code = await child.exited;
      await read;
      if (code !== 0) throw new Error(`exit status ${code}:\n${await all()}`);
      return written.stdout;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** What comes of an example that has an end. */
export async function runExample(name: string, target: string, input = "") {
  const env = envOf(target);
  const stdin = new TextEncoder().encode(input);
  const child = Bun.spawn([...exampleCommand(name)], { cwd: ROOT, env, stdin, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, stdout, stderr };
}

/** Plays a fault on a simulated GPU, or undoes it. */
export async function simulate(binary: RunningBinary, ...args: readonly string[]): Promise<void> {
  const child = Bun.spawn([BINARY, "simulate", ...args, "--target", binary.unixTarget], { stderr: "inherit" });
  if ((await child.exited) !== 0) throw new Error(`simulate ${args.join(" ")} failed`);
}

/** The output that an example's README shows below a command. */
export function shownOutput(name: string, command: string): string {
  const readme = readFileSync(join(ROOT, "examples", name, "README.md"), "utf8");
  const lines = readme.split("\n");
  const start = lines.indexOf(`$ ${command}`);
  if (start === -1) throw new Error(`examples/${name}/README.md does not show ${command}`);
  const length = lines.slice(start + 1).findIndex((line) => line === "```" || line.startsWith("$ "));
  const shown = lines.slice(start + 1, start + 1 + length).filter((line) => line !== "^C");
  return shown.map((line) => `${line}\n`).join("");
}
