import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";

/** Without which a figure means nothing. */
export interface Surroundings {
  readonly date: string;
  /** With what it was doing in the minute before: figures of a busy machine are worth little. */
  readonly machine: string;
  readonly versions: readonly string[];
}

export function surroundings(binaries: readonly string[]): Surroundings {
  const [cpu] = cpus();
  const [load = 0] = loadavg();
  const gibibytes = Math.round(totalmem() / 1_024 ** 3);
  const [, grpc = "?"] = /google\.golang\.org\/grpc (\S+)/.exec(readFileSync(GO_MOD, "utf8")) ?? [];
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: [
      ...[cpu?.model ?? "unknown", `${cpus().length} cores`, `${gibibytes} GiB`, `Linux ${release()}`],
      `load average ${load.toFixed(1)} before`,
    ].join(", "),
    versions: [...binaries.map(versionOf), `Bun ${Bun.version}`, `grpc-go ${grpc}`, versionOfGo()],
  };
}

const GO_MOD = join(import.meta.dir, "../go/go.mod");

function versionOf(binary: string): string {
  return firstLine([binary, "--version"]);
}

function versionOfGo(): string {
  return firstLine(["go", "env", "GOVERSION"]).replace(/^go/, "Go ");
}

function firstLine(command: string[]): string {
  return Bun.spawnSync(command).stdout.toString().split("\n")[0]?.trim() ?? "";
}
