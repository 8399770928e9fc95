import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import packageJson from "../package.json" with { type: "json" };
import { systemClock } from "./base/clock.ts";
import { dispatch } from "./cli/dispatch.ts";
import type { CommandIo } from "./cli/io.ts";
import type { ServeHost } from "./cli/serve.ts";
import { runServer, type StopSignal } from "./server/app.ts";
import { groupIdIn } from "./server/config-values.ts";

const EXIT_AT_ONCE: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

// A reader that goes away is no fault of ours: the writes themselves say so to whoever waits for them.
process.stdout.on("error", () => {});
process.stderr.on("error", () => {});

const io: CommandIo = {
  env: process.env,
  clock: systemClock,
  version: packageJson.version,
  print: (text) => write(process.stdout, text),
  complain: (line) => write(process.stderr, `${line}\n`),
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
  logStream: process.stderr,
  onFault(listener) {
    process.on("uncaughtException", listener);
    process.on("unhandledRejection", listener);
  },
};

function write(stream: NodeJS.WriteStream, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    stream.write(text, (error) => resolve(error === undefined || error === null));
  });
}

/** The last lines may still be on their way; a reader that has stopped is not waited for. */
const FLUSH_MAX_MS = 1_000;

const status = await dispatch(process.argv.slice(2), io, host);
await Promise.race([write(process.stderr, ""), new Promise((resolve) => setTimeout(resolve, FLUSH_MAX_MS))]);
process.exit(status);
