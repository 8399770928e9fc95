import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FakeNvml, LibraryKind } from "../../src/testing/fake-nvml.ts";
import { isAsBefore, isOut, NvmlServer } from "../support/nvml-server.ts";
import { Slots } from "../support/slots.ts";

/**
 * T-NV-1 against the compiled binary: a driver that cannot be used. The server serves, says why, tries again, and finds
 * the GPUs when the driver is well, without a restart.
 */

const GPUS = 4;
const INIT = "nvmlInit_v2";

const folder = mkdtempSync(join(tmpdir(), "foreign-"));
/** A real shared object, for the processor that this machine does not have. */
const foreignLibrary = join(folder, "foreign.so");
const FOREIGN = process.arch === "x64" ? "aarch64" : "x86_64";

interface Cause {
  readonly name: string;
  /** Puts it in the place of a driver that works. */
  readonly begin: (fake: FakeNvml) => void;
  readonly end: (fake: FakeNvml) => void;
  readonly reason: "NVMLLibraryMissing" | "NVMLInitFailed";
  /** What a person can act on; in the log and in the conditions. */
  readonly words: readonly string[];
}

const LIBRARY = "usr/lib64/libnvidia-ml.so.1";
const whole = (fake: FakeNvml) => fake.install({ kind: "whole" });
const installed = (name: string, kind: LibraryKind, ...words: readonly string[]): Cause => ({
  name,
  begin: (fake) => fake.install(kind),
  end: whole,
  reason: "NVMLLibraryMissing",
  words,
});
const returned = (code: number, ...words: readonly string[]): Cause => ({
  name: `${INIT} that returns ${code}`,
  begin: ({ command }) => void command(`fault ${INIT} code=${code}`),
  end: ({ command }) => void command(`clear ${INIT}`),
  reason: "NVMLInitFailed",
  words: [`nvmlInit_v2 failed: ${words[0]} (${code})`, ...words.slice(1)],
});

/** Functions without which nothing works, one of each kind: of the library, of GPUs, of events. */
const MANDATORY = ["nvmlInit_v2", "nvmlDeviceGetUUID", "nvmlDeviceRegisterEvents"];

const CAUSES: readonly Cause[] = [
  installed("no library", { kind: "none" }, "libnvidia-ml.so.1", "searched", "usr/lib64"),
  {
    ...installed(
      "a library for another processor",
      { kind: "none" },
      LIBRARY,
      `is a library for ${FOREIGN.toUpperCase()}`,
    ),
    begin: ({ root }) => place(root, readFileSync(foreignLibrary)),
  },
  installed("an empty file", { kind: "empty" }, LIBRARY, "file too short"),
  // As long as an ELF header at least: a shorter one is too short, whatever is in it.
  {
    ...installed("a text file", { kind: "none" }, LIBRARY, "invalid ELF header"),
    begin: ({ root }) => place(root, "this is no library, and here are more words to say so\n".repeat(20)),
  },
  {
    ...installed(
      "a library in a folder that cannot be searched",
      { kind: "none" },
      LIBRARY,
      "cannot be looked at: LOOP",
    ),
    begin: ({ root }) => {
      rmSync(join(root, LIBRARY), { force: true });
      symlinkSync("libnvidia-ml.so.1", join(root, LIBRARY));
    },
  },
  ...MANDATORY.map((symbol) =>
    installed(`a library without ${symbol}`, { kind: "without", symbols: [symbol] }, LIBRARY, `has no ${symbol}`),
  ),
  returned(9, "DRIVER_NOT_LOADED", "the NVIDIA kernel module is not loaded"),
  returned(18, "LIB_RM_VERSION_MISMATCH", "reload the module or restart the node"),
  returned(12, "LIBRARY_NOT_FOUND", "another library of the driver is missing"),
  returned(4, "NO_PERMISSION", "may not open the driver's device files"),
  returned(999, "UNKNOWN", "the kernel log may say why"),
];

const slots = new Slots(8);

beforeAll(async () => {
  const source = join(folder, "driver.zig");
  writeFileSync(source, "export fn nvmlInit_v2() c_int {\n    return 0;\n}\n");
  const target = ["-target", `${FOREIGN}-linux-gnu`, "-fstrip", `-femit-bin=${foreignLibrary}`];
  const built = Bun.spawn(["zig", "build-lib", "-dynamic", ...target, source], { cwd: folder, stderr: "pipe" });
  if ((await built.exited) !== 0) throw new Error(await new Response(built.stderr).text());
});

afterAll(() => rmSync(folder, { recursive: true }));

describe.concurrent("a server starts without its GPUs, serves, says why, and finds them later:", () => {
  for (const cause of CAUSES) test(cause.name, () => slots.run(() => playStart(cause)));
});

describe.concurrent("the GPUs of a server that runs are Unknown with the cause, and come back as they were:", () => {
  for (const cause of CAUSES) test(cause.name, () => slots.run(() => playLater(cause)));
});

async function playStart(cause: Cause): Promise<void> {
  await using server = await NvmlServer.start({ arrange: cause.begin });
  expect(server.states().size).toBe(0);
  await server.bystander.served(1);
  const state = cause.reason === "NVMLLibraryMissing" ? "library-missing" : "initialising";
  expect(await server.metric("state", `state="${state}"`)).toBe(1);
  expect(await server.metric("health_monitor_running")).toBe(0);
  await tries(server, 2);
  const [words = ""] = cause.words;
  expect(server.binary.logLines.join("\n")).toContain(words);

  cause.end(server.fake);
  await server.until(() => server.states().size === GPUS, "the GPUs");
  await server.ready();
  expect(await server.metric("health_monitor_running")).toBe(1);
  expect(server.bystander.failures).toEqual([]);
}

async function playLater(cause: Cause): Promise<void> {
  await using server = await NvmlServer.start();
  const before = await server.withOneFault();
  cause.begin(server.fake);
  endHost(server);
  const isSaid = () => cause.words.every((words) => isOut(before, server.seen, cause.reason, words));
  await server.until(isSaid, "it is said");
  await tries(server, 3);
  // A start that is slow on a busy machine says so until it has ended.
  await server.until(isSaid, "it is said again");
  await server.bystander.served();
  expect((await server.bystander.served(1)).list.length).toBeGreaterThan(0);

  cause.end(server.fake);
  await server.until(() => isAsBefore(before, server.seen), "all are as they were");
  expect(await server.metric("host_crashes_total")).toBe(1);
  expect(server.bystander.failures).toEqual([]);
}

/** The driver is used again only by a new host process. */
function endHost(server: NvmlServer): void {
  for (const pid of server.hosts()) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself meanwhile.
    }
  }
}

/** A new file: one that is written anew in place changes under a process that has mapped it. */
function place(root: string, content: string | Uint8Array): void {
  rmSync(join(root, LIBRARY), { force: true });
  writeFileSync(join(root, LIBRARY), content);
}

/** So many host processes have ended, each after a longer wait than the one before it. */
async function tries(server: NvmlServer, count: number): Promise<void> {
  const ends = () => server.logged("the NVML host process ended");
  await server.until(() => ends().length >= count, `${count} tries`);
  for (const [index, { retryMs }] of ends().slice(0, count).entries()) {
    // Its end is not within a range, and rounding may reach it.
    expect(Number(retryMs)).toBeWithin(500 * 2 ** index, 1_000 * 2 ** index + 1);
  }
}

test("a driver that is upgraded while the server runs is found by a new host process", async () => {
  await using server = await NvmlServer.start();
  await server.ready();
  const before = new Map(server.seen);
  // The library is replaced, the module is still the old one: what was loaded goes on, until it is loaded anew.
  server.fake.install({ kind: "whole" });
  server.fake.command("set driver=590.10 nvml=14.590.10");
  server.fake.command(`fault ${INIT} code=18`);
  await Bun.sleep(1_000);
  await server.until(() => isAsBefore(before, server.seen), "what was loaded goes on");
  // The module is replaced: what was loaded fails in every call from now on.
  server.fake.command("fault nvmlDeviceGetCount_v2 code=18");
  const says = (reason: string, words: string) => () => isOut(before, server.seen, reason, words);
  await server.until(says("EnumerationFailed", "NVML return 18"), "the old library fails");
  await server.until(says("NVMLInitFailed", "LIB_RM_VERSION_MISMATCH (18)"), "a new one does, too");
  server.fake.command("clear all");
  await server.until(() => isAsBefore(before, server.seen), "all are as they were");
  expect(await server.metric("driver_info", 'driver_version="590.10",nvml_version="14.590.10"')).toBe(1);
  expect(server.bystander.failures).toEqual([]);
});
