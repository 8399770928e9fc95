/**
 * Starts a server for trying out: simulated GPUs, a socket that only this user may open, TCP on loopback.
 * Once it serves, prints what to try next. Arguments go to the server and win over what is chosen here.
 */
import { spawn } from "node:child_process";
import { lstatSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { pageAddress } from "./page-address.ts";
import { say } from "./process.ts";
import { runtimeFolder, SOCKET_NAME } from "./runtime-folder.ts";

const BINARY = "dist/device-api-server";
const POLL_MS = 50;
/** A start takes a fraction of a second; after this long the user is told that it is still awaited. */
const SLOW_START_MS = 10_000;

/** `just run-nvml`: the scripted library of zig/fake in the place of a driver, and its tool. */
const FAKE_DRIVER_ROOT = "dist/native/fake";
const FAKE_TOOL = `${FAKE_DRIVER_ROOT}/fake-nvml`;

const DEFAULTS: readonly (readonly [flag: string, value: string])[] = [
  ["simulate", "8"],
  ["grpc-address", "127.0.0.1:50051"],
  ["ui-address", "127.0.0.1:8082"],
  ["http-host", "127.0.0.1"],
  ["log-format", "text"],
  // Nothing routes to this server by its readiness, so Ctrl-C need not wait for anyone to notice.
  ["shutdown-delay", "0"],
];

const [mode, ...rest] = process.argv.slice(2);
process.exit(await (mode === "--fake-nvml" ? main(rest, true) : main(process.argv.slice(2), false)));

async function main(given: readonly string[], onFakeNvml: boolean): Promise<number> {
  const folder = runtimeFolder();
  if (folder === undefined) return 2;
  const socket = join(folder, SOCKET_NAME);
  const machine = onFakeNvml ? scriptMachine(folder) : undefined;
  const nvmlFlags = ["--simulate=0", "--enable-nvml-provider", `--nvml-driver-root=${FAKE_DRIVER_ROOT}`];
  const extra = onFakeNvml ? [...nvmlFlags, ...given] : given;
  if (await accepts(socket)) {
    console.error(`run: a server of yours is running already, on ${socket}: use it, or stop it with Ctrl-C first`);
    return 2;
  }
  const before = identity(socket);

  const chosen = DEFAULTS.filter(([flag]) => !extra.some((argument) => isFlag(argument, flag)));
  const flags = [...chosen.map(([flag, value]) => `--${flag}=${value}`), ...extra];
  const server = spawn(BINARY, ["serve", `--unix-socket=${socket}`, ...flags], {
    stdio: "inherit",
    env: machine === undefined ? process.env : { ...process.env, FAKE_NVML_CONTROL: machine },
  });
  const exited = new Promise<number>((resolve) => {
    server.on("error", (error) => {
      console.error(`run: ${BINARY} did not start: ${error.message}`);
      resolve(1);
    });
    // As a shell says it: 128 and the number of the signal.
    server.on("exit", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 143)));
  });
  // A Ctrl-C reaches the server from the terminal; this process only stays until it has ended. Other signals are
  // sent to this process alone.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => server.kill(signal));

  const started = performance.now();
  let told = false;
  let ended = false;
  void exited.then(() => {
    ended = true;
  });
  while (!ended && !(await serves(socket, before))) {
    if (!told && performance.now() - started > SLOW_START_MS) {
      told = true;
      say("run: waiting for the server to be ready");
    }
    await Bun.sleep(POLL_MS);
  }
  if (!ended) printNext(socket, machine, pageAddress(flags));
  return exited;
}

/** A machine of 8 GPUs, new at each start; returns its control file. */
function scriptMachine(folder: string): string {
  const control = join(folder, "nvml-machine");
  Bun.spawnSync([FAKE_TOOL, control, "gpus", "8", "h100"], { stderr: "inherit" });
  return control;
}

/** True once a socket file that was not there before takes connections and the server answers on it. */
async function serves(socket: string, before: string): Promise<boolean> {
  if (identity(socket) === before) return false;
  return (await accepts(socket)) && ask(["healthcheck", "--target", `unix://${socket}`]) !== undefined;
}

function accepts(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", () => resolve(false));
  });
}

function printNext(socket: string, machine: string | undefined, page: string | undefined): void {
  const target = `--target unix://${socket}`;
  // The first word of the first row below the heading.
  const name = /\n(\S+)/.exec(ask(["get", "--target", `unix://${socket}`]) ?? "")?.[1];
  console.log("");
  console.log("The server is ready. Try next, in another terminal, from this folder:");
  console.log("");
  console.log(`  ${BINARY} get ${target}`);
  console.log(`  ${BINARY} watch ${target}`);
  if (machine !== undefined) console.log(`  ${FAKE_TOOL} ${machine} xid 0 79`);
  else if (name !== undefined) console.log(`  ${BINARY} simulate break ${name} --xid 79 ${target}`);
  if (page !== undefined) console.log(`\nor look at it in a browser: ${page}`);
  console.log("");
  console.log("Ctrl-C stops the server.");
  console.log("");
}

function ask(args: readonly string[]): string | undefined {
  const done = Bun.spawnSync([BINARY, ...args], { stdout: "pipe", stderr: "ignore", timeout: 5_000 });
  return done.success ? done.stdout.toString() : undefined;
}

function isFlag(argument: string, flag: string): boolean {
  return new RegExp(`^--?${flag}(=|$)`).test(argument);
}

/** Tells a socket file from the one that stood there before it: an inode number may be used again, its times not. */
function identity(path: string): string {
  try {
    const { ino, ctimeNs } = lstatSync(path, { bigint: true });
    return `${ino} ${ctimeNs}`;
  } catch {
    return "none";
  }
}
