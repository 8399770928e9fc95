import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The binaries of a Kubernetes node, made from their Go modules once and kept in a cache folder outside the repository.
 * Its name is the hash of what they are made of, so that a change of a version makes them anew.
 */

const TOOLS = join(import.meta.dir, "tools");
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

/** The folder of the binaries; makes them where they are missing, and says how far it is. */
export function provideParts(say: (line: string) => void): string {
  if (Bun.which("go") === null) throw new Error("Go is missing: the parts of the node are made from their Go modules");
  const sums = readFileSync(join(TOOLS, "go.sum"), "utf8");
  const mod = readFileSync(join(TOOLS, "go.mod"), "utf8");
  const go = run(["go", "env", "GOVERSION"]).trim();
  const flags = buildFlags(KUBERNETES_VERSION.exec(mod)?.[1] ?? "v0.0.0");
  const key = createHash("sha256")
    .update([sums, mod, go, ...flags].join("\n"))
    .digest("hex")
    .slice(0, 16);
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "device-api-server");
  const folder = join(cache, `cluster-${key}`);
  if (existsSync(join(folder, "complete"))) return folder;

  const names = Object.keys(PACKAGES);
  say(`making ${names.length} parts of a Kubernetes node in ${folder}: once, 6 to 9 minutes on 2 cores, 700 MB`);
  const scratch = join(cache, `cluster-${key}.building`);
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(join(scratch, "bin"), { recursive: true });
  for (const [index, name] of names.entries()) {
    const started = performance.now();
    const output = join(scratch, "bin", name);
    run(["go", "build", ...flags, "-o", output, PACKAGES[name] ?? name], {
      CGO_ENABLED: "0",
      GOFLAGS: "-buildvcs=false -trimpath",
      // Kept apart, so that the 4 GB can go when it is done.
      GOCACHE: join(scratch, "go-cache"),
    });
    say(`  ${index + 1}/${names.length} ${name}, ${Math.round((performance.now() - started) / 1_000)} s`);
  }
  for (const old of readdirSync(cache)) {
    if (old.startsWith("cluster-") && old !== `cluster-${key}.building`) rmSync(join(cache, old), { recursive: true });
  }
  renameSync(join(scratch, "bin"), folder);
  writeFileSync(join(folder, "complete"), `${new Date().toISOString()}\n`);
  rmSync(scratch, { recursive: true });
  return folder;
}

/** The sources of a module among the tools. */
export function moduleFolder(module: string): string {
  return run(["go", "list", "-m", "-f", "{{.Dir}}", module]).trim();
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
