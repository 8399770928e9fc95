/** The part of `just test-cluster` that runs in namespaces of its own: inside.ts BIN FOLDER PART [--docs] */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFakeNvml } from "../../src/testing/fake-nvml.ts";
import { writeLoad, writeSteps } from "./docs.ts";
import { startCluster } from "./node.ts";
import { run as runCommand } from "./processes.ts";
import { loadResult, loadSteps } from "./steps-load.ts";
import { monitoringSteps } from "./steps-monitoring.ts";
import { freshNvml, nvmlSteps } from "./steps-nvml.ts";
import { pageSteps } from "./steps-page.ts";
import { goodbye, images, type Scene, type Step, serverSteps } from "./steps-server.ts";
import { valueSteps } from "./steps-values.ts";

export interface Result {
  readonly name: string;
  readonly seconds: number;
  readonly failure?: string;
}

const PARTS: Readonly<Record<string, readonly Step[]>> = {
  all: [images, ...serverSteps, ...nvmlSteps, ...pageSteps, ...monitoringSteps, ...valueSteps, freshNvml, goodbye],
  load: [images, freshNvml, ...loadSteps, goodbye],
};

/** Of each program's log, where a step has failed: the logs go with the folder (unless --keep). */
const LOG_LINES = 8;

const [bin = "", folder = "", part = "", ...options] = process.argv.slice(2);
const results: Result[] = [];

const run = join(folder, "run");
mkdirSync(run);
const started = performance.now();
const driver = createFakeNvml({ gpus: 8 });
// Any uid may have it: the library counts its calls in its control file.
await runCommand(["chmod", "-R", "a+rwX", driver.root]);
const cluster = await startCluster(bin, run, driver.root);
const scene: Scene = { cluster, bin, folder, run, driver };
record("control plane, containerd and kubelet are up", started);
for (const { name, play } of PARTS[part] ?? []) await step(name, () => play(scene));

const failed = results.filter(({ failure }) => failure !== undefined);
console.log(`all in ${seconds(started)} s`);
if (failed.length > 0) {
  for (const log of readdirSync(run).filter((name) => name.endsWith(".log"))) {
    const lines = readFileSync(join(run, log), "utf8").trimEnd().split("\n").slice(-LOG_LINES);
    console.log(`end of ${log}:\n${lines.join("\n").replace(/^/gm, "    ")}`);
  }
}
writeFileSync("dist/cluster-result.json", `${JSON.stringify(results, undefined, 2)}\n`);
if (options.includes("--docs") && failed.length === 0) {
  if (part === "all") writeSteps(results, seconds(started));
  else writeLoad(loadResult());
}
console.log(`${results.length - failed.length} passed, ${failed.length} failed`);
process.exit(failed.length === 0 ? 0 : 1);

async function step(name: string, play: () => Promise<void>): Promise<void> {
  const begun = performance.now();
  try {
    cluster.check();
    await play();
    record(name, begun);
  } catch (error) {
    record(name, begun, error instanceof Error ? error.message : String(error));
  }
}

function record(name: string, begun: number, failure?: string): void {
  const result = { name, seconds: seconds(begun) };
  results.push(failure === undefined ? result : { ...result, failure });
  console.log(`${failure === undefined ? "ok      " : "FAILED  "} ${name} (${result.seconds} s)`);
  if (failure !== undefined) console.log(failure.replace(/^/gm, "    "));
}

function seconds(since: number): number {
  return Math.round((performance.now() - since) / 100) / 10;
}
