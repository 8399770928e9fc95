import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { capture } from "./process.ts";

const folder = mkdtempSync(join(tmpdir(), "capture-"));
const log = join(folder, "log");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("output and errors are kept in the order in which they were written", async () => {
  const outcome = await capture(["bash", "-c", "echo one; echo two >&2; echo three; exit 3"], { log });
  expect(outcome).toMatchObject({ ok: false, ending: "exit status 3", output: "one\ntwo\nthree\n", leftovers: false });
});

test("a process that is killed is told by its signal", async () => {
  const outcome = await capture(["bash", "-c", "kill -9 $$"], { log });
  expect(outcome).toMatchObject({ ok: false, ending: "signal SIGKILL" });
});

test("a command that cannot be started is a failure with its reason", async () => {
  const outcome = await capture([join(folder, "missing")], { log });
  expect(outcome.ok).toBe(false);
  expect(outcome.ending).toContain("did not start");
});

test("a process that hangs is ended at the limit, and its children with it", async () => {
  const outcome = await capture(["bash", "-c", "sleep 600 & echo $!; wait"], { log, limitMs: 300 });
  expect(outcome).toMatchObject({ ok: false, ending: "no end within 0.3 s" });
  await gone(Number(outcome.output));
});

test("a process left behind delays nothing, is ended and is reported", async () => {
  const outcome = await capture(["bash", "-c", "sleep 600 & echo $!"], { log });
  expect(outcome).toMatchObject({ ok: true, leftovers: true });
  await gone(Number(outcome.output));
});

/** Ended, or already a zombie that its new parent has still to collect. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    const stat = await Bun.file(`/proc/${pid}/stat`)
      .text()
      .catch(() => "gone) Z");
    if (/\) [ZX]/.test(stat)) return;
    await Bun.sleep(20);
  }
}
