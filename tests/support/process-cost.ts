import { dlopen } from "bun:ffi";
import { readFileSync } from "node:fs";

/** Bytes. Anonymous memory is what the process wrote itself; most of the rest are pages of its own file. */
export interface Memory {
  readonly resident: number;
  readonly anonymous: number;
}

export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/status`, "latin1");
  const bytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]) * 1_024;
  return { resident: bytes("VmRSS"), anonymous: bytes("RssAnon") };
}

const { symbols: libc } = dlopen("libc.so.6", { clock_gettime: { args: ["i32", "buffer"], returns: "i32" } });

/** What clock_getcpuclockid makes of a pid: the clock of all threads of a process, those that have ended among them. */
const CPUCLOCK_SCHED = 2;
const clockOf = (pid: number): number => (~pid << 3) | CPUCLOCK_SCHED;

/** Processor time of a process so far. The ticks of /proc are too coarse for one that is idle. */
export function cpuMsOf(pid: number): number {
  const time = new BigInt64Array(2);
  if (libc.clock_gettime(clockOf(pid), time) !== 0) throw new Error(`no process ${pid}`);
  return Number(time[0]) * 1e3 + Number(time[1]) / 1e6;
}

/** The share of one core that a process uses during this time. */
export async function cpuShareOf(pid: number, forMs: number): Promise<number> {
  const [startedMs, before] = [performance.now(), cpuMsOf(pid)];
  await Bun.sleep(forMs);
  return (cpuMsOf(pid) - before) / (performance.now() - startedMs);
}
