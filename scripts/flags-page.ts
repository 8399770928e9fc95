/**
 * Writes the table of flags in docs/operations/device-api-server.md from the flags' own table; with --check only
 * compares.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { SERVE_FLAGS } from "../src/server/flags.ts";
import { type Flag, type FlagTable, formatDefault, variableOf } from "../src/server/flags-kinds.ts";
import { withTable } from "./markdown-table.ts";

const PAGE = "docs/operations/device-api-server.md";
const BEGIN = "<!-- flags: written by scripts/flags-page.ts from src/server/flags.ts -->";
const END = "<!-- end of flags -->";

/** The chart's values that set a flag; every other flag goes into `server.extraArgs`. */
export const CHART_VALUES: Readonly<Partial<Record<keyof typeof SERVE_FLAGS, string>>> = {
  "grpc-address": "server.grpcAddress",
  "unix-socket": "server.unixSocket, socket.legacyPath",
  "insecure-bind": "server.insecureBind",
  "health-port": "server.healthPort",
  "metrics-port": "server.metricsPort",
  "ui-address": "server.uiAddress",
  "provider-uids": "server.providerUids",
  "provider-gids": "server.providerGids",
  provider: "server.providers",
  "inverted-conditions": "server.invertedConditions",
  "advisory-conditions": "server.advisoryConditions",
  "provider-lease": "server.providerLease",
  simulate: "server.simulate",
  "shutdown-delay": "server.shutdownDelay",
  "shutdown-timeout": "server.shutdownTimeout",
  "log-format": "logging.format",
  v: "logging.verbosity",
  "enable-nvml-provider": "nvml.enabled",
  "nvml-driver-root": "nvml.driverRoot",
  "nvml-health-check": "nvml.healthCheckEnabled",
  "nvml-ignored-xids": "nvml.additionalIgnoredXids",
  "nvml-period": "nvml.period",
  "nvml-mig": "nvml.mig",
};

if (import.meta.main) {
  const found = readFileSync(PAGE, "utf8");
  const wanted = withTable(PAGE, found, [BEGIN, END], tableOf(SERVE_FLAGS));
  if (process.argv.includes("--check")) {
    if (found !== wanted) console.error(`${PAGE} is not what the flags give: run bun scripts/flags-page.ts`);
    process.exitCode = found === wanted ? 0 : 1;
  } else {
    writeFileSync(PAGE, wanted);
  }
}

function tableOf(flags: FlagTable): string {
  const values: Readonly<Record<string, string>> = CHART_VALUES;
  const rows = Object.entries(flags).map(([name, flag]) => {
    const cells = [
      code(`--${name}`),
      code(variableOf(name, flag)),
      defaultOf(flag),
      code(values[name] ?? ""),
      flag.help,
    ];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  return [
    "| flag | variable | default | chart value | what it does |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

function defaultOf(flag: Flag): string {
  return flag.kind === "bool" ? code(String(flag.default)) : code(formatDefault(flag));
}

function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}
