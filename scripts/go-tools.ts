/**
 * Makes the named tools, or all of them, from their Go modules into .tools/bin, for the tests that need them; says in
 * one line each what it makes, and what it did. Without Go the tests that need a tool are skipped by name. Go checks
 * what it loads against the public checksum database.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { seconds } from "./process.ts";

interface GoTool {
  readonly module: string;
  readonly version: string;
}

const TOOLS: Readonly<Record<string, GoTool>> = {
  grpcurl: { module: "github.com/fullstorydev/grpcurl/cmd/grpcurl", version: "v1.9.4" },
  helm: { module: "helm.sh/helm/v4/cmd/helm", version: "v4.3.1" },
  helm3: { module: "helm.sh/helm/v3/cmd/helm", version: "v3.22.0" },
  nfpm: { module: "github.com/goreleaser/nfpm/v2/cmd/nfpm", version: "v2.45.0" },
};

const BIN = resolve(".tools/bin");
const STAMPS = resolve(".tools/stamps");

const asked = process.argv.slice(2);
const unknown = asked.find((name) => TOOLS[name] === undefined);
if (unknown !== undefined) {
  console.error(`go-tools: unknown tool ${unknown}; one of ${Object.keys(TOOLS).join(", ")}`);
  process.exit(2);
}
for (const [name, tool] of Object.entries(TOOLS)) {
  if (asked.length === 0 || asked.includes(name)) console.log(`${name}: ${provide(name, tool)}`);
}

function provide(name: string, { module, version }: GoTool): string {
  const stamp = `${STAMPS}/${name}`;
  if (existsSync(`${BIN}/${name}`) && existsSync(stamp) && readFileSync(stamp, "utf8") === version) {
    return `${version} is there`;
  }
  if (Bun.which("go") === null) return "not made, there is no Go toolchain";
  const started = performance.now();
  console.log(`${name}: building ${version} from its Go module, 1 to 5 minutes on 2 cores`);
  mkdirSync(BIN, { recursive: true });
  mkdirSync(STAMPS, { recursive: true });
  // In a folder of its own: two tools may have one name. One that was left by a build that was killed is used anew.
  const folder = `${BIN}/.go-${name}`;
  rmSync(folder, { recursive: true, force: true });
  const env = { ...process.env, GOBIN: folder, GOFLAGS: "-trimpath", CGO_ENABLED: "0" };
  const done = Bun.spawnSync(["go", "install", "-ldflags=-s -w", `${module}@${version}`], { env, stderr: "pipe" });
  if (done.success) {
    renameSync(`${folder}/${basename(module)}`, `${BIN}/${name}`);
    writeFileSync(stamp, version);
  }
  rmSync(folder, { recursive: true, force: true });
  if (done.success) return `built ${version} in ${seconds(performance.now() - started)}`;
  return `not made, go install failed: ${done.stderr.toString().trim().split("\n").at(-1)}`;
}
