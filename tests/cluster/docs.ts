import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { withTable } from "../../scripts/markdown-table.ts";
import type { Result } from "./inside.ts";
import type { LoadTable } from "./steps-load.ts";

/** Writes what a run has shown into its page: `just test-cluster --docs`, `just test-cluster load --docs`. */
const PAGE = "docs/operations/kubernetes-node.md";

export function writeSteps(results: readonly Result[], seconds: number): void {
  const passed = `${results.length} passed, 0 failed, ${Math.round(seconds)} s`;
  const lines = results.map(({ name, seconds }) => `| ${name} | ${seconds} |`);
  write("steps", [`${lastRun()}, ${passed}.`, "", "| step | seconds |", "| --- | --- |", ...lines]);
}

export function writeLoad({ limits, requests, rows }: LoadTable): void {
  const columns = ["state", "CPU", "throttled", "memory", "of it anonymous", "server, RSS", "NVML host, RSS"];
  const head = `| ${[...columns, "calls/s", "events/s", "p50", "p99"].join(" | ")} |`;
  const lines = rows.map(({ state, cpuMillis, throttled, load, ...mib }) => {
    const memory = [mib.memoryMiB, mib.anonMiB, mib.serverMiB, mib.hostMiB].map((value) => `${value} MiB`);
    const calls =
      load === undefined ? ["", "", "", ""] : [load.calls, load.events, `${load.p50Ms} ms`, `${load.p99Ms} ms`];
    return `| ${[state, `${cpuMillis}m`, `${Math.round(throttled * 100)} %`, ...memory, ...calls].join(" | ")} |`;
  });
  const bounds = Object.entries({ request: requests, limit: limits }).map(
    ([name, { cpu = "none", memory }]) =>
      `| the chart's ${name} | ${cpu} | | ${memory.replace("Mi", " MiB")} | | | | | | | |`,
  );
  write("load", [`${lastRun()}.`, "", head, `| ${"--- | ".repeat(11).trim()}`, ...lines, ...bounds]);
}

function write(mark: string, lines: readonly string[]): void {
  const marks = [`<!-- ${mark} -->`, `<!-- end of ${mark} -->`] as const;
  writeFileSync(PAGE, withTable(PAGE, readFileSync(PAGE, "utf8"), marks, lines.join("\n")));
}

function lastRun(): string {
  const [memory = ""] = /\d+/.exec(readFileSync("/proc/meminfo", "utf8")) ?? [];
  const gib = Math.round(Number(memory) / 2 ** 20);
  return `Last run: ${new Date().toISOString().slice(0, 10)}, ${availableParallelism()} cores, ${gib} GiB`;
}
