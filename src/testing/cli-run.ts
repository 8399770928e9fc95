import { type Clock, systemClock, systemScheduler } from "../base/clock.ts";
import { dispatch } from "../cli/dispatch.ts";
import type { CommandIo, Terminal } from "../cli/io.ts";
import type { ServeHost } from "../cli/serve.ts";
import type { StopSignal } from "../server/app.ts";
import type { Config } from "../server/config.ts";

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  /** The reader of the output goes away after so many writes. */
  readonly reads?: number;
  /** So many writes, counted from 1, and the disk behind the output is full. */
  readonly breaksAt?: number;
  /** A signal comes when so much has been written. */
  readonly signalAfter?: number;
  /** Standard output is a terminal of this size. */
  readonly terminal?: { columns: number; rows: number };
  readonly runServer?: (config: Config) => Promise<number>;
}

export interface CliResult {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** A command that runs in the test's process, with all that it has of a process in the test's hand. */
export class CliRun {
  out = "";
  err = "";
  readonly size: { columns: number; rows: number };
  readonly status: Promise<number>;
  readonly #options: CliOptions;
  #writes = 0;
  #onSignal: (signal: StopSignal) => void = () => {};
  /** Nobody reads the output any more, and finds out before the next write. */
  readerGone = () => {};
  #onResize = () => {};
  #leave: () => Promise<unknown> = async () => {};
  #back = () => {};

  constructor(args: readonly string[], options: CliOptions = {}) {
    this.#options = options;
    this.size = { columns: 80, rows: 24, ...options.terminal };
    this.status = dispatch(args, this.#io(), hostOf(options));
  }

  signal(): void {
    this.#onSignal("SIGINT");
  }

  resize(columns: number, rows: number): void {
    Object.assign(this.size, { columns, rows });
    this.#onResize();
  }

  /** Ctrl-Z, and `fg` after it. */
  async suspend(): Promise<void> {
    await this.#leave();
    this.out += "[stopped]";
    this.#back();
  }

  /** Resolves when the output has it; a guard against hangs, no limit on speed. */
  async until(isThere: (out: string) => boolean, what: string): Promise<void> {
    const deadline = performance.now() + 20_000;
    while (!isThere(this.out)) {
      if (performance.now() > deadline) throw new Error(`${what} did not come:\n${this.out}\n${this.err}`);
      await Bun.sleep(5);
    }
  }

  #io(): CommandIo {
    const { env = {}, clock = systemClock, reads = Number.POSITIVE_INFINITY, signalAfter, breaksAt } = this.#options;
    return {
      env,
      clock,
      scheduler: systemScheduler,
      version: "1.2.3",
      terminal: this.#options.terminal && this.#terminal(),
      print: async (text) => {
        if (this.#writes >= reads) return false;
        this.#writes++;
        if (this.#writes === breaksAt) throw new Error("no space left");
        this.out += text;
        if (this.#writes === signalAfter) this.signal();
        return true;
      },
      complain: async (line) => {
        this.err += `${line}\n`;
        return true;
      },
      onReaderGone: (listener) => {
        this.readerGone = listener;
      },
      onSignal: (listener) => {
        this.#onSignal = listener;
      },
    };
  }

  #terminal(): Terminal {
    const { size } = this;
    return {
      get columns() {
        return size.columns;
      },
      get rows() {
        return size.rows;
      },
      onResize: (listener) => {
        this.#onResize = listener;
      },
      onSuspend: (leave, back) => {
        this.#leave = leave;
        this.#back = back;
      },
    };
  }
}

export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const run = new CliRun(args, options);
  const status = await run.status;
  return { status, out: run.out, err: run.err };
}

function hostOf({ runServer }: CliOptions): ServeHost {
  return {
    runServer: runServer ?? (() => Promise.reject(new Error("not to be started"))),
    facts: { hostname: "node-7", uid: 990, groupId: () => undefined },
    self: { command: ["device-api-server"], env: {} },
    random: () => 0.5,
    logStream: { write: () => true },
    onFault: () => {},
  };
}
