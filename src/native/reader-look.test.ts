import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createReaderLook } from "./reader-look.ts";

test("a pipe has a reader until its other end is closed, and a file always has one", () => {
  const folder = mkdtempSync(join(tmpdir(), "reader-"));
  const pipe = join(folder, "pipe");
  expect(Bun.spawnSync(["mkfifo", pipe]).success).toBe(true);
  // For reading and writing: that waits for nobody.
  const reading = openSync(pipe, "r+");
  const writing = openSync(pipe, "w");
  const hasReader = createReaderLook(writing);
  expect([hasReader(), hasReader()]).toEqual([true, true]);
  closeSync(reading);
  expect([hasReader(), hasReader()]).toEqual([false, false]);
  closeSync(writing);
  const file = openSync(join(folder, "file"), "w");
  expect(createReaderLook(file)()).toBe(true);
  closeSync(file);
  rmSync(folder, { recursive: true });
});
