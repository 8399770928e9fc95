import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";

export interface Outcome {
  readonly ok: boolean;
  /** How it ended, where it did not end well: "exit status 1", "signal SIGKILL", "no end within 1200 s". */
  readonly ending: string;
  readonly output: string;
  readonly tookMs: number;
  /** The process left others behind, which were ended. */
  readonly leftovers: boolean;
}

export interface CaptureOptions {
  /** Where standard output and error go, in the order in which they are written. */
  readonly log: string;
  readonly cwd?: string;
  readonly limitMs?: number;
}

/** Process groups that run now; an interrupted run ends them. */
const groups = new Set<number>();

/**
 * Runs a command in a process group of its own, so that nothing it started outlives it. Its output goes to a file and
 * not through a pipe: a process left behind would hold a pipe open, and this would wait for it.
 */
export async function capture(command: readonly string[], options: CaptureOptions): Promise<Outcome> {
  const [program = "", ...args] = command;
  mkdirSync(dirname(options.log), { recursive: true });
  const log = openSync(options.log, "w");
  const started = performance.now();
  const child = spawn(program, args, {
    cwd: options.cwd,
    stdio: ["ignore", log, log],
    detached: true,
  });
  const group = child.pid;
  if (group !== undefined) groups.add(group);

  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killGroup(group);
  }, options.limitMs ?? DEFAULT_LIMIT_MS);
  const ending = await new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(`${program} did not start: ${error.message}`));
    child.on("exit", (code, signal) => resolve(code === null ? `signal ${signal}` : `exit status ${code}`));
  });
  clearTimeout(timer);
  closeSync(log);
  const leftovers = !late && killGroup(group);
  if (group !== undefined) groups.delete(group);
  return {
    ok: ending === "exit status 0",
    ending: late ? `no end within ${(options.limitMs ?? DEFAULT_LIMIT_MS) / 1_000} s` : ending,
    output: readFileSync(options.log, "utf8"),
    tookMs: performance.now() - started,
    leftovers,
  };
}

/** Ends whatever `capture` is running; for a signal handler. */
export function killAll(): void {
  for (const group of groups) killGroup(group);
}

/** Twice what the whole suite may take: reached only by something that hangs. */
const DEFAULT_LIMIT_MS = 1_200_000;

/** False if the group had no process any more. */
function killGroup(group: number | undefined): boolean {
  if (group === undefined) return false;
  try {
    return process.kill(-group, "SIGKILL");
  } catch {
    return false;
  }
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

/** Progress goes to standard error, and not by console.error, which paints it as a failure. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
