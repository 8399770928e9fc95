import type { Clock, Scheduler } from "../../base/clock.ts";
import { LimitedLog } from "../../base/limited-log.ts";
import type { Logger } from "../../base/log.ts";
import { CallsLedger, type CallsPage } from "./calls-ledger.ts";
import type { FrameDecoder } from "./frames.ts";
import type { HostLauncher, HostListener, HostProcess } from "./host-launcher.ts";

export interface ProcessLauncherOptions {
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]];
  /** What the process is told as its own name; undefined for the program. */
  readonly argv0?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One for each process: its bytes are a stream of their own. */
  readonly createDecoder: () => FrameDecoder;
  /** Memory in which the process says what it is doing; undefined to go by its pulses alone. */
  readonly callsPage?: CallsPage;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Logger;
}

/** Where the process has its page: after standard input, output and error. */
export const CALLS_FD = 3;

/** What is still in the pipe when a process has ended is read for so long: a helper of it may hold the other end. */
const DRAIN_MS = 500;

/** The driver's library may write what it likes; so much of each piece is logged. */
const STDERR_PIECE_MAX = 1_000;
/** So many pieces, of all host processes together: what a person reads, and 43 MB a day at most. */
const STDERR_PIECES_PER_MINUTE = 30;

/**
 * Starts host processes for real. Each has a session of its own, so that Ctrl-C in the server's terminal stops the
 * server and not it; the end of its standard input tells it that the server is gone, however that came about.
 */
export function createProcessLauncher(options: ProcessLauncherOptions): HostLauncher {
  const { callsPage, log, clock } = options;
  const ledger = callsPage === undefined ? undefined : new CallsLedger(callsPage);
  const words = new LimitedLog(log, clock, STDERR_PIECES_PER_MINUTE);
  return {
    launch: (listener) => launch(options, ledger, words, listener),
    callTimes: () => ledger?.times() ?? new Map(),
  };
}

function launch(
  options: ProcessLauncherOptions,
  ledger: CallsLedger | undefined,
  words: LimitedLog,
  listener: HostListener,
): HostProcess {
  const { createDecoder, scheduler, log } = options;
  const page = ledger?.open();
  const child = spawn(options, page, ledger);
  let over = false;
  const read = readMessages(child.stdout, createDecoder(), listener, scheduler, () => over);
  void readStderr(child.stderr, words, scheduler, child.pid).then(() => {
    const leftOut = words.takeLeftOut();
    if (leftOut !== undefined) log.info("the NVML host process said more than is logged", { pid: child.pid, leftOut });
  });
  void child.exited.then(async () => {
    const { promise: drained, resolve } = Promise.withResolvers<void>();
    using _timer = scheduler.setTimer(resolve, DRAIN_MS);
    await Promise.race([read, drained]);
    over = true;
    const { exitCode, signalCode } = child;
    const signal = signalCode === null ? undefined : String(signalCode);
    const call = page === undefined ? undefined : ledger?.close(page);
    listener.exited({ code: signal === undefined ? (exitCode ?? undefined) : undefined, signal, call });
  });
  return {
    pid: child.pid,
    runningCall: () => (page === undefined || over ? undefined : ledger?.running(page)),
    kill: (signal) => child.kill(signal),
    abandon() {
      over = true;
      child.unref();
    },
  };
}

/** The descriptor of the page stays ours. Throws where the process cannot be started, and closes it. */
function spawn(
  { command, argv0, env }: ProcessLauncherOptions,
  page: number | undefined,
  ledger: CallsLedger | undefined,
) {
  try {
    return Bun.spawn([...command], {
      argv0: argv0 ?? command[0],
      env: { ...env },
      stdio: page === undefined ? ["pipe", "pipe", "pipe"] : ["pipe", "pipe", "pipe", page],
      detached: true,
    });
  } catch (error) {
    if (page !== undefined) ledger?.close(page);
    throw error;
  }
}

async function readMessages(
  stdout: ReadableStream<Uint8Array>,
  decoder: FrameDecoder,
  listener: HostListener,
  scheduler: Scheduler,
  isOver: () => boolean,
): Promise<void> {
  try {
    for await (const chunk of stdout) {
      if (isOver()) return;
      const batch = decoder.push(chunk);
      if (batch.length > 0) listener.messages(batch);
      if (decoder.fault !== undefined) {
        listener.corrupt(decoder.fault);
        return;
      }
      // In a storm the pipe is never empty, and reading on at once would leave no turn to anybody else until it ends.
      await new Promise<void>((resolve) => scheduler.defer(resolve));
    }
  } catch {
    // A pipe that fails has ended; the process's exit says the rest.
  }
}

async function readStderr(
  stderr: ReadableStream<Uint8Array>,
  words: LimitedLog,
  scheduler: Scheduler,
  pid: number,
): Promise<void> {
  const decoder = new TextDecoder();
  try {
    for await (const chunk of stderr) {
      const text = decoder.decode(chunk.subarray(0, STDERR_PIECE_MAX)).trim();
      if (text !== "") words.write("info", "the NVML host process says", { pid, text });
      // As above: this pipe, too, may never be empty.
      await new Promise<void>((resolve) => scheduler.defer(resolve));
    }
  } catch {
    // As above.
  }
}
