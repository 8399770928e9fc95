import { BINARY } from "./binary.ts";

export interface RunResult {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** The compiled binary as a command of a script would run it. Not spawnSync: this process may have a server to read. */
export async function runBinary(
  args: readonly string[],
  env: Record<string, string> = {},
  /** Told of all that was written so far, whenever there is more. */
  onOutput: (out: string) => void = () => {},
): Promise<RunResult> {
  return await collect([BINARY, ...args], env, onOutput);
}

/** A line of bash, in which `das` is the binary. */
export async function runShell(line: string, env: Record<string, string> = {}): Promise<RunResult> {
  return await collect(["bash", "-c", `das() { "${BINARY}" "$@"; }; ${line}`], env, () => {});
}

async function collect(
  command: readonly string[],
  env: Record<string, string>,
  onOutput: (out: string) => void,
): Promise<RunResult> {
  const child = Bun.spawn([...command], {
    env: { PATH: Bun.env["PATH"] ?? "", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const read = async () => {
    const decoder = new TextDecoder();
    let out = "";
    for await (const chunk of child.stdout) {
      out += decoder.decode(chunk, { stream: true });
      onOutput(out);
    }
    return out;
  };
  const [out, err] = await Promise.all([read(), new Response(child.stderr).text()]);
  return { status: await child.exited, out, err };
}
