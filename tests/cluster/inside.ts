/** The part of `just test-cluster` that runs in namespaces of its own: inside.ts BIN FOLDER */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startCluster } from "./node.ts";
import { monitoringSteps } from "./steps-monitoring.ts";
import { pageSteps } from "./steps-page.ts";
import { goodbye, type Scene, serverSteps } from "./steps-server.ts";
import { valueSteps } from "./steps-values.ts";

const [bin = "", folder = ""] = process.argv.slice(2);
const results: { readonly name: string; readonly seconds: number; readonly failure?: string }[] = [];

const run = join(folder, "run");
mkdirSync(run);
const started = performance.now();
const cluster = await startCluster(bin, run);
const scene: Scene = { cluster, bin, folder, run };
try {
  record("control plane, containerd and kubelet are up", started);
  for (const { name, play } of [...serverSteps, ...pageSteps, ...monitoringSteps, ...valueSteps, goodbye])
    await step(name, () => play(scene));
} finally {
  await cluster[Symbol.asyncDispose]();
}

const failed = results.filter(({ failure }) => failure !== undefined);
console.log(`all in ${seconds(started)} s`);
if (failed.length > 0) {
  for (const log of readdirSync(run).filter((name) => name.endsWith(".log"))) console.log(`log: ${join(run, log)}`);
}
writeFileSync("dist/cluster-result.json", `${JSON.stringify(results, undefined, 2)}\n`);
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
