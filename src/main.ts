import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import packageJson from "../package.json" with { type: "json" };
import { systemClock, systemScheduler } from "./base/clock.ts";
import { dispatch } from "./cli/dispatch.ts";
import type { CommandIo, Terminal } from "./cli/io.ts";
import type { ServeHost } from "./cli/serve.ts";
import { createReaderLook } from "./native/reader-look.ts";
import { runServer, type StopSignal } from "./server/app.ts";
import { groupIdIn } from "./server/config-values.ts";

const READER_GONE: ReadonlySet<string> = new Set(["EPIPE", "ECONNRESET"]);
const EXIT_AT_ONCE: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

// The writes themselves say what went wrong to whoever waits for them.
process.stdout.on("error", () => {});
process.stderr.on("error", () => {});

/** What a terminal has that does not say. */
const USUAL_SIZE = { columns: 80, rows: 24 };

const terminal: Terminal = {
  get columns() {
    return process.stdout.columns || USUAL_SIZE.columns;
  },
  get rows() {
    return process.stdout.rows || USUAL_SIZE.rows;
  },
  onResize: (listener) => void process.stdout.on("resize", listener),
  onSuspend(leave, back) {
    process.on("SIGTSTP", () => void leave().finally(() => process.kill(process.pid, "SIGSTOP")));
    process.on("SIGCONT", back);
  },
};

/** Between two looks at whether anybody still reads. */
const READER_LOOK_MS = 1_000;

const io: CommandIo = {
  env: process.env,
  clock: systemClock,
  scheduler: systemScheduler,
  terminal: process.stdout.isTTY ? terminal : undefined,
  version: packageJson.version,
  print: (text) => write(process.stdout, text),
  onReaderGone(listener) {
    const hasReader = createReaderLook(1);
    const timer = setInterval(() => {
      if (hasReader()) return;
      clearInterval(timer);
      listener();
    }, READER_LOOK_MS);
  },
  // Where the complaint cannot be written there is nobody to tell; the exit status still says it.
  complain: (line) => write(process.stderr, `${line}\n`).catch(() => false),
  onSignal(listener) {
    let asked = false;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (asked) process.exit(EXIT_AT_ONCE[signal]);
        asked = true;
        listener(signal);
      });
    }
  },
};

const host: ServeHost = {
  runServer,
  facts: {
    hostname: hostname(),
    uid: process.getuid?.() ?? 0,
    groupId: (name) => (existsSync("/etc/group") ? groupIdIn(readFileSync("/etc/group", "utf8"), name) : undefined),
  },
  // The compiled binary is the program; interpreted, the runtime is, and this file its argument. Not by its path, where
  // an upgrade may have put another version.
  self: {
    command: import.meta.path.startsWith("/$bunfs/") ? ["/proc/self/exe"] : [process.execPath, import.meta.path],
    argv0: process.execPath,
    env: process.env,
  },
  random: Math.random,
  logStream: process.stderr,
  onFault(listener) {
    process.on("uncaughtException", listener);
    process.on("unhandledRejection", listener);
  },
};

/** False where the reader has gone (`get | head`), which is no fault; a full disk is one, and rejects. */
function write(stream: NodeJS.WriteStream, text: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => {
      if (error === undefined || error === null) resolve(true);
      else if ("code" in error && READER_GONE.has(String(error.code))) resolve(false);
      else reject(new Error(`the output cannot be written: ${error.message}`));
    });
  });
}

/** The last lines may still be on their way; a reader that has stopped is not waited for. */
const FLUSH_MAX_MS = 1_000;

const status = await dispatch(process.argv.slice(2), io, host);
const flushed = write(process.stderr, "").catch(() => false);
await Promise.race([flushed, new Promise((resolve) => setTimeout(resolve, FLUSH_MAX_MS))]);
process.exit(status);
