import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nest, type Values } from "./values.ts";

const root = join(import.meta.dir, "../..");
export const CHART = join(root, "charts/device-api-server");

/** scripts/go-tools.ts makes both, where Go is present. */
const HELM = Bun.env["DEVICE_API_HELM"] ?? join(root, ".tools/bin/helm");
export const HELM3 = Bun.env["DEVICE_API_HELM3"] ?? join(root, ".tools/bin/helm3");
export const hasHelm = existsSync(HELM);
export const hasHelm3 = existsSync(HELM3);

/** An object of Kubernetes; `at` looks into it. */
export interface KubeObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export interface HelmOutcome {
  readonly ok: boolean;
  readonly out: string;
  readonly err: string;
}

export function helm(...args: readonly string[]): Promise<HelmOutcome> {
  return runHelm(HELM, args);
}

export async function runHelm(program: string, args: readonly string[]): Promise<HelmOutcome> {
  const child = Bun.spawn([program, ...args], { stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { ok: (await child.exited) === 0, out, err };
}

/** `helm template`, with values by their paths ("server.healthPort") over the chart's own. */
export function template(values: Values = {}, ...args: readonly string[]): Promise<HelmOutcome> {
  return templateBy(HELM, values, ...args);
}

export async function templateBy(program: string, values: Values, ...args: readonly string[]): Promise<HelmOutcome> {
  const folder = mkdtempSync(join(tmpdir(), "das-chart-"));
  const file = join(folder, "values.json");
  writeFileSync(file, JSON.stringify(nest(values)));
  try {
    const fixed = ["template", "gpu", CHART, "--namespace=gpu-ns", `--values=${file}`];
    return await runHelm(program, [...fixed, ...args]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The objects, or an error with Helm's words. */
export async function render(values: Values = {}, ...args: readonly string[]): Promise<KubeObject[]> {
  const { ok, out, err } = await template(values, ...args);
  if (!ok) throw new Error(err);
  return objectsIn(out);
}

export function objectsIn(yaml: string): KubeObject[] {
  const parsed: unknown = Bun.YAML.parse(yaml);
  return (Array.isArray(parsed) ? parsed : [parsed]).filter((object) => object !== null) as KubeObject[];
}

export function ofKind(objects: readonly KubeObject[], kind: string): KubeObject {
  const found = objects.filter((object) => object.kind === kind);
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} objects of kind ${kind}`);
  return found[0];
}

/** What lies at a path such as "spec.template.spec.containers.0.args"; undefined where there is nothing. */
export function at(node: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((inner, key) => {
    return typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>)[key] : undefined;
  }, node);
}

/** Every map in the objects, with its path. */
export function* mapsOf(node: unknown, path = ""): Generator<readonly [string, Record<string, unknown>]> {
  if (Array.isArray(node)) for (const [i, item] of node.entries()) yield* mapsOf(item, `${path}.${i}`);
  else if (typeof node === "object" && node !== null) {
    yield [path, node as Record<string, unknown>];
    for (const [key, value] of Object.entries(node)) yield* mapsOf(value, `${path}.${key}`);
  }
}

/** By what an API server tells the items of such a list apart where it merges them. */
const MERGE_KEYS: Readonly<Record<string, readonly string[]>> = {
  containers: ["name"],
  env: ["name"],
  imagePullSecrets: ["name"],
  initContainers: ["name"],
  ports: ["containerPort", "port"],
  volumeMounts: ["mountPath"],
  volumes: ["name"],
};

/** Items that are there twice: a server-side apply, as Helm 4 does it, is refused with any. */
export function doubledItems(objects: readonly KubeObject[]): string[] {
  return [...mapsOf(objects)].flatMap(([path, map]) =>
    Object.entries(MERGE_KEYS).flatMap(([list, keys]) => {
      const items = map[list];
      if (!Array.isArray(items)) return [];
      const ids = items.map((item) => keys.map((key) => at(item, key)).join(" "));
      return ids.filter((id, i) => ids.indexOf(id) < i).map((id) => `${path}.${list}: ${id}`);
    }),
  );
}

/** The pod of the DaemonSet. */
export async function renderPod(values: Values = {}): Promise<unknown> {
  return at(ofKind(await render(values), "DaemonSet"), "spec.template.spec");
}

/** The server's container, which is the first. */
export async function renderServer(values: Values = {}): Promise<unknown> {
  return at(await renderPod(values), "containers.0");
}

export function stringsAt(node: unknown, path: string): readonly string[] {
  const found = at(node, path);
  if (!Array.isArray(found) || found.some((item) => typeof item !== "string")) throw new Error(`no texts at ${path}`);
  return found;
}
