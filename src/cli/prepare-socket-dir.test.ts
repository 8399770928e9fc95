import { expect, test } from "bun:test";
import { mkdtempSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, systemScheduler } from "../base/clock.ts";
import type { CommandIo } from "./io.ts";
import { createPrepareSocketDirCommand } from "./prepare-socket-dir.ts";

const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;

async function run(args: readonly string[]): Promise<{ status: number; out: string }> {
  let out = "";
  const io: CommandIo = {
    env: {},
    clock: systemClock,
    scheduler: systemScheduler,
    terminal: undefined,
    version: "1.2.3",
    async print(text) {
      out += text;
      return true;
    },
    complain: async () => true,
    onReaderGone: () => {},
    onSignal: () => {},
  };
  return { status: await createPrepareSocketDirCommand(uid).run(args, io), out };
}

test("every folder that is named is given, and said so", async () => {
  const parent = mkdtempSync(join(realpathSync(tmpdir()), "prepare-"));
  const paths = [join(parent, "a"), join(parent, "b")];
  const { status, out } = await run([`--uid=${uid}`, `--gid=${gid}`, ...paths]);
  expect(status).toBe(0);
  expect(out).toBe(paths.map((path) => `${path} belongs to uid ${uid} and gid ${gid}, mode 2750\n`).join(""));
  expect(paths.map((path) => statSync(path).mode & 0o7777)).toEqual([0o2750, 0o2750]);
  rmSync(parent, { recursive: true });
});

test("a folder that is refused fails the command in one line", async () => {
  const refused = run([`--uid=${uid}`, `--gid=${gid}`, "/dev/null"]);
  await expect(refused).rejects.toThrow(/^prepare-socket-dir: \/dev\/null is not a folder$/);
});

test.each([
  [["/run/x"], "say who is to have the folder: --uid and --gid"],
  [["--uid=1", "/run/x"], "say who is to have the folder: --uid and --gid"],
  [["--uid=1", "--gid=1"], "give the path of a folder"],
  [["--uid=4294967295", "--gid=1", "/run/x"], "--uid"],
  [["--uid=root", "--gid=1", "/run/x"], "--uid"],
])("%p is a mistake", async (args, message) => {
  await expect(run(args)).rejects.toThrow(message);
});

test("the help names the flags without defaults that nobody should rely on", async () => {
  const { out } = await run(["--help"]);
  expect(out).toContain("--uid ID");
  expect(out).toContain("--gid ID");
  expect(out).not.toContain("default -1");
});
