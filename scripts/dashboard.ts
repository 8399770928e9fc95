/** Writes the Grafana dashboard of the chart from its panels; with --check it fails where the file differs. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FLEET, GPUS, NVML } from "./dashboard/gpu-panels.ts";
import { grafanaDashboard } from "./dashboard/grafana.ts";
import { SERVER } from "./dashboard/server-panels.ts";

const ROOT = join(import.meta.dir, "..");
const FILE = "charts/device-api-server/files/dashboards/device-api-server.json";

export const DASHBOARD_FILE = join(ROOT, FILE);
export const SECTIONS = [FLEET, GPUS, SERVER, NVML];

/** The file's text, in the form that the formatter gives it. */
export function dashboardText(): string {
  const dashboard = grafanaDashboard("Device API server", "device-api-server", SECTIONS);
  const formatter = [join(ROOT, "node_modules/.bin/biome"), "format", `--stdin-file-path=${FILE}`];
  const text = Buffer.from(`${JSON.stringify(dashboard, null, 2)}\n`);
  const done = Bun.spawnSync(formatter, { cwd: ROOT, stdin: text, stderr: "pipe" });
  if (!done.success) throw new Error(`biome: ${done.stderr}`);
  return done.stdout.toString();
}

if (import.meta.main) {
  const text = dashboardText();
  if (!process.argv.includes("--check")) writeFileSync(DASHBOARD_FILE, text);
  else if (readFileSync(DASHBOARD_FILE, "utf8") !== text) {
    console.error(`${FILE} is not what its panels give: run "bun scripts/dashboard.ts"`);
    process.exit(1);
  }
}
