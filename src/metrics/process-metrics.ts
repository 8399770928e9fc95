import { readdirSync, readFileSync } from "node:fs";
import { Counter, type Registry } from "prom-client";
import { readGauge } from "./gauges.ts";

/**
 * The process metrics under their standard names, read from /proc. The library's own set is left out as a whole: under
 * Bun its garbage collection metrics stay empty, its heap spaces, handles and requests stay 0, its CPU time begins when
 * the metric is declared instead of with the process, and its event-loop histogram costs 1 % of a core while idle.
 */
export function declareProcessMetrics(registry: Registry): void {
  const cpu = new Counter({
    name: "process_cpu_seconds_total",
    help: "User and system CPU time of the process.",
    registers: [registry],
    collect() {
      this.reset();
      this.inc(cpuSeconds(readStat()));
    },
  });
  cpu.inc(0);
  const startedAt = startTimeSeconds(readStat());
  readGauge(registry, "process_start_time_seconds", "Start of the process, in seconds since 1970.", () => startedAt);
  readGauge(registry, "process_resident_memory_bytes", "Resident memory.", () => statusBytes("VmRSS"));
  readGauge(registry, "process_virtual_memory_bytes", "Address space.", () => statusBytes("VmSize"));
  // One of the entries is the descriptor that reads the folder.
  readGauge(registry, "process_open_fds", "Open file descriptors.", () => readdirSync("/proc/self/fd").length - 1);
  readGauge(registry, "process_max_fds", "Limit of open file descriptors (soft).", maxDescriptors);
}

/** USER_HZ: 100 on every architecture that we build for, and part of the kernel's interface. */
const TICKS_PER_SECOND = 100;

/** The fields of /proc/self/stat from the third on: the second, the name, may hold spaces and brackets. */
function readStat(): readonly string[] {
  const text = readFileSync("/proc/self/stat", "latin1");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function cpuSeconds(stat: readonly string[]): number {
  return (Number(stat[11]) + Number(stat[12])) / TICKS_PER_SECOND;
}

function startTimeSeconds(stat: readonly string[]): number {
  const bootedAt = /^btime (\d+)$/m.exec(readFileSync("/proc/stat", "latin1"))?.[1];
  return Number(bootedAt) + Number(stat[19]) / TICKS_PER_SECOND;
}

function statusBytes(key: string): number {
  const match = new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(readFileSync("/proc/self/status", "latin1"));
  return Number(match?.[1] ?? 0) * 1_024;
}

function maxDescriptors(): number {
  const soft = /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
  return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
}
