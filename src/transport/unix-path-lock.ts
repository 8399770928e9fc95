import { closeSync, constants, fstatSync, lstatSync, openSync, rmSync } from "node:fs";
import type { Scheduler } from "../base/clock.ts";
import { shim } from "../native/shim.ts";
import { ListenError } from "./listen-error.ts";
import { codeOf } from "./listener.ts";

/** The critical section takes a few milliseconds, or PROBE_MS where a socket does not answer; then others come. */
const WAIT_MS = 10_000;
const RETRY_MS = 10;

/**
 * Runs the task while no other server changes who has this path. Looking at a socket, finding it stale and unlinking it
 * are three steps, and between them another server may have put its own there. The kernel frees the lock with the
 * process, so a crash leaves at worst an empty file. It is a file beside the socket and not the folder itself, since
 * whoever may read the folder could lock that. Throws ListenError.
 */
export async function withPathLock<T>(path: string, scheduler: Scheduler, task: () => T | Promise<T>): Promise<T> {
  const lockPath = `${path}.lock`;
  const fd = await acquire(lockPath, scheduler);
  try {
    return await task();
  } finally {
    // While we hold it: whoever waits finds out that its file has no name any more, and begins again.
    rmSync(lockPath, { force: true });
    closeSync(fd);
  }
}

async function acquire(lockPath: string, scheduler: Scheduler): Promise<number> {
  for (let waitedMs = 0; waitedMs < WAIT_MS; waitedMs += RETRY_MS) {
    const fd = tryAcquire(lockPath);
    if (fd !== undefined) return fd;
    await new Promise<void>((resolve) => scheduler.setTimer(resolve, RETRY_MS));
  }
  throw new ListenError(
    `--unix-socket: another server is starting or stopping here (${lockPath} is locked); try again`,
  );
}

function tryAcquire(lockPath: string): number | undefined {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  const fd = openSync(lockPath, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  try {
    checkOurs(fd, lockPath);
    if (shim().tryLock(fd) && isStillNamed(fd, lockPath)) return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}

/** A lock is an empty file. One that holds something is somebody's, and would be taken away with the lock. */
function checkOurs(fd: number, lockPath: string): void {
  const found = fstatSync(fd);
  if (found.isFile() && found.size === 0) return;
  throw new ListenError(`--unix-socket: ${lockPath} is not a lock of this server; remove it, or choose another path`);
}

/** Not so where the one who had the lock before us has taken the file away. */
function isStillNamed(fd: number, lockPath: string): boolean {
  try {
    return fstatSync(fd).ino === lstatSync(lockPath).ino;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}
