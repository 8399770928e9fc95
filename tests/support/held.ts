import { readdirSync, readFileSync } from "node:fs";

/** What a process holds that a leak would add to. */
export interface Held {
  readonly fds: number;
  readonly threads: number;
}

/** A new thread has the name of its process until it gives itself its own: the least of so many looks counts. */
const LOOKS = 5;
const BETWEEN_LOOKS_MS = 20;

/**
 * Descriptors and threads of a process. The runtime names the threads that it makes for itself (its collector, its
 * compiler) and starts some of them late; those of the shim, and whatever else is made without a name, have the name
 * of the process, and only these are counted.
 */
export async function heldBy(pid: number | "self"): Promise<Held> {
  let threads = threadsOf(pid);
  for (let i = 1; i < LOOKS; i++) {
    await Bun.sleep(BETWEEN_LOOKS_MS);
    threads = Math.min(threads, threadsOf(pid));
  }
  return { fds: readdirSync(`/proc/${pid}/fd`).length, threads };
}

function threadsOf(pid: number | "self"): number {
  const name = readFileSync(`/proc/${pid}/comm`, "utf8");
  return readdirSync(`/proc/${pid}/task`).filter((thread) => nameOf(pid, thread) === name).length;
}

function nameOf(pid: number | "self", thread: string): string {
  try {
    return readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8");
  } catch {
    // It ended meanwhile.
    return "";
  }
}
