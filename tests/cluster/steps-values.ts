import { join } from "node:path";
import { FLIPS } from "../chart/flips.ts";
import { template } from "../chart/helm.ts";
import { tryRun } from "./processes.ts";
import type { Scene, Step } from "./steps-server.ts";

/** Namespaces that the flipped values put objects into. */
const NAMESPACES = ["gpu-ns", "monitoring"];

export const valueSteps: readonly Step[] = [
  { name: `the API server takes what each of the ${FLIPS.length} values gives, strictly`, play: applyFlips },
];

async function applyFlips({ cluster, bin }: Scene): Promise<void> {
  for (const name of NAMESPACES) {
    await cluster.apply(JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name } }));
  }
  const apply = [join(bin, "kubectl"), "apply", "--dry-run=server", "--validate=strict", "-f", "-"];
  const refused: string[] = [];
  for (const { path, to, beside } of FLIPS) {
    const { ok, out, err } = await template({ [path]: to, ...beside }, "--api-versions=monitoring.coreos.com/v1");
    if (!ok) throw new Error(`${path}: ${err}`);
    const applied = await tryRun(apply, cluster.env, out);
    if (applied.code !== 0) refused.push(`${path}: ${applied.err.trim()}`);
  }
  if (refused.length > 0) throw new Error(refused.join("\n"));
}
