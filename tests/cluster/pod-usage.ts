import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What a container has used, by its control group: of version 2, or of version 1. */
export interface Usage {
  readonly atMs: number;
  readonly cpuMs: number;
  /** Periods of its limit in which it wanted to run, and those of them in which it was kept from it. */
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly memoryBytes: number;
  /** Its anonymous memory. */
  readonly anonBytes: number;
  readonly processes: readonly ProcessUsage[];
}

interface ProcessUsage {
  /** `serve` or `nvml-host`. */
  readonly command: string;
  readonly residentBytes: number;
}

/** Of the container that this process is in. */
export function usageOf(pid: number): Usage {
  return { atMs: performance.now(), ...cgroupUsage(pid), processes: processesOf(pid) };
}

type CgroupUsage = Omit<Usage, "atMs" | "processes">;

function cgroupUsage(pid: number): CgroupUsage {
  const memory = groupOf(pid, "memory");
  if (memory === undefined) {
    const group = groupOf(pid, "") ?? "";
    const cpu = keysIn(join(group, "cpu.stat"));
    return {
      cpuMs: at(cpu, "usage_usec") / 1e3,
      ...throttlingOf(cpu),
      memoryBytes: Number(readFileSync(join(group, "memory.current"), "utf8")),
      anonBytes: at(keysIn(join(group, "memory.stat")), "anon"),
    };
  }
  return {
    cpuMs: Number(readFileSync(join(groupOf(pid, "cpuacct") ?? "", "cpuacct.usage"), "utf8")) / 1e6,
    ...throttlingOf(keysIn(join(groupOf(pid, "cpu") ?? "", "cpu.stat"))),
    memoryBytes: Number(readFileSync(join(memory, "memory.usage_in_bytes"), "utf8")),
    anonBytes: at(keysIn(join(memory, "memory.stat")), "rss"),
  };
}

function throttlingOf(stat: ReadonlyMap<string, number>): Pick<Usage, "periods" | "throttledPeriods"> {
  return { periods: at(stat, "nr_periods"), throttledPeriods: at(stat, "nr_throttled") };
}

/** The folder of a process's group in the hierarchy of a controller (version 1), or in that of version 2 (""). */
function groupOf(pid: number, controller: string): string | undefined {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  for (const line of lines) {
    const [, controllers = "", path = ""] = line.split(":");
    if (controllers.split(",").includes(controller)) return join("/sys/fs/cgroup", controllers, path);
  }
  return undefined;
}

/** Of the container's group; the main process's own is the whole container's. */
function processesOf(pid: number): ProcessUsage[] {
  const folder = groupOf(pid, "pids") ?? groupOf(pid, "") ?? "";
  const pids = readFileSync(join(folder, "cgroup.procs"), "utf8").trim().split("\n");
  return pids.flatMap((pid) => {
    // One that has just ended has no memory any more.
    const resident = existsSync(`/proc/${pid}/status`) ? keysIn(`/proc/${pid}/status`).get("VmRSS:") : undefined;
    if (resident === undefined) return [];
    const [, command = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return [{ command, residentBytes: resident * 1_024 }];
  });
}

function keysIn(file: string): ReadonlyMap<string, number> {
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return new Map(
    lines.map((line) => {
      const [key = "", value = ""] = line.split(/\s+/);
      return [key, Number(value)];
    }),
  );
}

function at(keys: ReadonlyMap<string, number>, name: string): number {
  const value = keys.get(name);
  if (value === undefined || Number.isNaN(value)) throw new Error(`no ${name} in ${[...keys.keys()].join(" ")}`);
  return value;
}
