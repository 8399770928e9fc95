import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The binaries of a Kubernetes node, made from their Go modules once and kept in a cache folder outside the repository.
 * Its name is the hash of what they are made of, so that a change of a version makes them anew.
 */

const TOOLS = join(import.meta.dir, "tools");
const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "device-api-server");
const PREFIX = "cluster-";
const EXPECTED = "6 to 9 minutes on 2 cores that have nothing else to do, and the download of 1 GB of sources";
/** k8s.io/kubernetes in tools/go.mod; the binaries say it of themselves. */
const KUBERNETES_VERSION = /^\tk8s\.io\/kubernetes (v\S+)/m;

/** What `go build` calls them, and how they are known. */
const PACKAGES: Readonly<Record<string, string>> = {
  pause: "./pause",
  kubectl: "k8s.io/kubernetes/cmd/kubectl",
  "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
  "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
  "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
  kubelet: "k8s.io/kubernetes/cmd/kubelet",
  etcd: "go.etcd.io/etcd/server/v3",
  helm: "helm.sh/helm/v4/cmd/helm",
  grpcurl: "github.com/fullstorydev/grpcurl/cmd/grpcurl",
  "controller-gen": "sigs.k8s.io/controller-tools/cmd/controller-gen",
};

/** What the resource definitions are made from; tools/doc.go keeps them among the modules. */
const OPERATOR_TYPES = "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1";

/**
 * The folder of the binaries, with the operator's resource definitions in `crds`; makes them where they are missing,
 * and says how far it is. `owner` tells an unfinished folder of this run from one of another.
 */
export function provideParts(owner: string, say: (line: string) => void): string {
  const sums = readFileSync(join(TOOLS, "go.sum"), "utf8");
  const mod = readFileSync(join(TOOLS, "go.mod"), "utf8");
  const go = run(["go", "env", "GOVERSION"]).trim();
  const flags = buildFlags(KUBERNETES_VERSION.exec(mod)?.[1] ?? "v0.0.0");
  const key = createHash("sha256")
    .update([sums, mod, go, ...flags, JSON.stringify(PACKAGES), OPERATOR_TYPES].join("\n"))
    .digest("hex")
    .slice(0, 16);
  const folder = join(CACHE, `${PREFIX}${key}`);
  if (existsSync(folder)) return folder;

  say(`making the parts of a Kubernetes node in ${folder}: once, 700 MB, ${EXPECTED}`);
  const began = performance.now();
  const scratch = join(CACHE, `${PREFIX}${key}.${owner}`);
  const bin = join(scratch, "bin");
  mkdirSync(bin, { recursive: true });
  const steps = [
    { name: "modules", command: ["go", "mod", "download"] },
    ...Object.entries(PACKAGES).map(([name, path]) => ({
      name,
      command: ["go", "build", ...flags, "-o", join(bin, name), path],
    })),
    {
      name: "resource definitions",
      command: [
        join(bin, "controller-gen"),
        "crd:maxDescLen=0",
        `paths=${OPERATOR_TYPES}`,
        `output:crd:dir=${bin}/crds`,
      ],
    },
  ];
  for (const [index, { name, command }] of steps.entries()) {
    const started = performance.now();
    run(command, {
      CGO_ENABLED: "0",
      GOFLAGS: "-buildvcs=false -trimpath -mod=readonly",
      // Kept apart, so that the 4 GB can go when it is done.
      GOCACHE: join(scratch, "go-cache"),
    });
    say(`  ${index + 1}/${steps.length} ${name}, ${secondsSince(started)} s`);
  }
  for (const old of finishedParts()) rmSync(join(CACHE, old), { recursive: true });
  renameSync(bin, folder);
  rmSync(scratch, { recursive: true });
  say(`made the parts in ${secondsSince(began)} s`);
  return folder;
}

/** What a run that did not come to its end was making. */
export function unfinishedParts(owner: string): string[] {
  const names = existsSync(CACHE) ? readdirSync(CACHE) : [];
  return names.filter((name) => name.startsWith(PREFIX) && name.endsWith(`.${owner}`)).map((name) => join(CACHE, name));
}

function finishedParts(): string[] {
  return readdirSync(CACHE).filter((name) => name.startsWith(PREFIX) && !name.includes("."));
}

function secondsSince(started: number): number {
  return Math.round((performance.now() - started) / 1_000);
}

/** As Kubernetes builds itself: the version is put in, and the tables for debuggers are left out. */
function buildFlags(version: string): readonly string[] {
  const [major, minor] = version.slice(1).split(".");
  const at = "k8s.io/component-base/version";
  const set = { gitVersion: version, gitMajor: major, gitMinor: minor, gitTreeState: "clean", gitCommit: "unknown" };
  const variables = Object.entries(set).map(([name, value]) => `-X ${at}.${name}=${value}`);
  return ["-ldflags", `-s -w ${variables.join(" ")}`];
}

function run(command: readonly string[], env: Record<string, string> = {}): string {
  const done = Bun.spawnSync([...command], { cwd: TOOLS, env: { ...process.env, ...env }, stderr: "pipe" });
  if (!done.success) throw new Error(`${command.slice(0, 2).join(" ")}: ${done.stderr.toString().trim()}`);
  return done.stdout.toString();
}
