import type { Scheduler } from "../../base/clock.ts";
import type { Logger } from "../../base/log.ts";
import type { FrameDecoder } from "./frames.ts";
import type { HostLauncher, HostListener, HostProcess } from "./host-launcher.ts";

export interface ProcessLauncherOptions {
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One for each process: its bytes are a stream of their own. */
  readonly createDecoder: () => FrameDecoder;
  readonly scheduler: Scheduler;
  readonly log: Logger;
}

/** What is still in the pipe when a process has ended is read for so long: a helper of it may hold the other end. */
const DRAIN_MS = 500;

/** The driver's library may write what it likes; so much of each piece is logged. */
const STDERR_PIECE_MAX = 1_000;

/**
 * Starts host processes for real. Each has a session of its own, so that Ctrl-C in the server's terminal stops the
 * server and not it; the end of its standard input tells it that the server is gone, however that came about.
 */
export function createProcessLauncher(options: ProcessLauncherOptions): HostLauncher {
  return { launch: (listener) => launch(options, listener) };
}

function launch(
  { command, env, createDecoder, scheduler, log }: ProcessLauncherOptions,
  listener: HostListener,
): HostProcess {
  const child = Bun.spawn({
    cmd: [...command],
    env: { ...env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  let over = false;
  const read = readMessages(child.stdout, createDecoder(), listener, () => over);
  void readStderr(child.stderr, log, child.pid);
  void child.exited.then(async () => {
    const { promise: drained, resolve } = Promise.withResolvers<void>();
    using _timer = scheduler.setTimer(resolve, DRAIN_MS);
    await Promise.race([read, drained]);
    over = true;
    const { exitCode, signalCode } = child;
    const signal = signalCode === null ? undefined : String(signalCode);
    listener.exited({ code: signal === undefined ? (exitCode ?? undefined) : undefined, signal, call: undefined });
  });
  return {
    pid: child.pid,
    kill: (signal) => child.kill(signal),
    abandon() {
      over = true;
      child.unref();
    },
  };
}

async function readMessages(
  stdout: ReadableStream<Uint8Array>,
  decoder: FrameDecoder,
  listener: HostListener,
  isOver: () => boolean,
): Promise<void> {
  try {
    for await (const chunk of stdout) {
      if (isOver()) return;
      const batch = decoder.push(chunk);
      if (batch.length > 0) listener.messages(batch);
      if (decoder.fault === undefined) continue;
      listener.corrupt(decoder.fault);
      return;
    }
  } catch {
    // A pipe that fails has ended; the process's exit says the rest.
  }
}

async function readStderr(stderr: ReadableStream<Uint8Array>, log: Logger, pid: number): Promise<void> {
  const decoder = new TextDecoder();
  try {
    for await (const chunk of stderr) {
      const text = decoder.decode(chunk.subarray(0, STDERR_PIECE_MAX)).trim();
      if (text !== "") log.info("the NVML host process says", { pid, text });
    }
  } catch {
    // As above.
  }
}
