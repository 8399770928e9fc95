/**
 * `just test-cluster`: the chart and the image on a real Kubernetes node. What needs the network is made first; the
 * rest runs in namespaces of its own, so that nothing of it is seen or left on this machine.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { scratchImage } from "./images.ts";
import { moduleFolder, provideParts } from "./parts.ts";
import { run } from "./processes.ts";

const REPOSITORY = resolve(import.meta.dir, "../..");
const NEEDED: Readonly<Record<string, string>> = {
  containerd: "containerd",
  runc: "runc",
  buildah: "buildah",
  prometheus: "prometheus",
  promtool: "prometheus",
  openssl: "openssl",
  ip: "iproute2",
  pkill: "procps",
  "/usr/lib/cni/bridge": "containernetworking-plugins",
};

const say = (line: string) => console.log(line);

if (process.getuid?.() !== 0) fail("it takes root: kubelet and containerd mount, and make namespaces");
const missing = Object.entries(NEEDED).filter(([program]) => Bun.which(program) === null);
if (missing.length > 0) {
  const packages = [...new Set(missing.map(([, from]) => from))].join(" ");
  fail(`${missing.map(([program]) => program).join(", ")} missing; on Debian: apt-get install ${packages}`);
}

const folder = mkdtempSync(join(tmpdir(), "device-api-cluster-"));
try {
  process.exitCode = await main();
} finally {
  if (process.argv.includes("--keep")) say(`kept: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<number> {
  const bin = provideParts(say);
  say("making the images");
  await run(["bun", "scripts/image/image.ts", "--offline", "--tag=test"]);
  mkdirSync(join(folder, "images"));
  await scratchImage("localhost/pause:3.10", join(bin, "pause"), join(folder, "images"));
  await scratchImage("localhost/grpcurl:test", join(bin, "grpcurl"), join(folder, "images"));
  await makeMonitoringCrds(bin, join(folder, "crds"));
  const inside = ["unshare", "--net", "--mount", "--propagation", "private", "bun", join(import.meta.dir, "inside.ts")];
  const child = Bun.spawn([...inside, bin, folder], { cwd: REPOSITORY, stdio: ["ignore", "inherit", "inherit"] });
  return await child.exited;
}

/** The Prometheus operator's resource definitions, from its own types. */
async function makeMonitoringCrds(bin: string, output: string): Promise<void> {
  const sources = moduleFolder("github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring");
  const command = [join(bin, "controller-gen"), "crd:maxDescLen=0", "paths=./v1", `output:crd:dir=${output}`];
  const made = Bun.spawnSync(command, { cwd: sources, stderr: "pipe" });
  if (!made.success) throw new Error(`controller-gen: ${made.stderr}`);
}

function fail(why: string): never {
  console.error(`test-cluster: ${why}`);
  process.exit(2);
}
