/**
 * `just test-cluster`: the chart and the image on a real Kubernetes node. Everything runs in namespaces of its own
 * (prepare.ts, then inside.ts), which end with this process, whatever ends it; what is left then is a folder and
 * control groups, which this removes, or the next run does.
 */
import { spawn } from "node:child_process";
import { renameSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { entering } from "./cgroups.ts";
import { folderOf, makePlace, placeName, removeAbandoned, removePlace, tracesOf } from "./place.ts";

const REPOSITORY = resolve(import.meta.dir, "../..");
const NEEDED: Readonly<Record<string, string>> = {
  containerd: "containerd",
  runc: "runc",
  buildah: "buildah",
  prometheus: "prometheus",
  promtool: "prometheus",
  openssl: "openssl",
  curl: "curl",
  ip: "iproute2",
  unshare: "util-linux",
  setpriv: "util-linux",
  "/usr/lib/cni/bridge": "containernetworking-plugins",
};
/** Of all, with pid and mount namespaces; the network comes later, for images and parts need this machine's. */
const NAMESPACES = ["--mount", "--pid", "--mount-proc", "--fork", "--kill-child=KILL", "--propagation=private"];

const say = (line: string) => console.log(line);

const { values, positionals } = parseArgs({
  options: { keep: { type: "boolean", default: false }, docs: { type: "boolean", default: false } },
  allowPositionals: true,
});
const part = positionals[0] ?? "all";
if (!["all", "load", "interrupted"].includes(part)) fail(`unknown part ${part}; one of all, load, interrupted`);
if (process.getuid?.() !== 0) fail("it takes root: kubelet and containerd mount, and make namespaces");
if (Bun.which("go") === null) fail("Go is missing: the parts of the node are made from their Go modules");
const missing = Object.entries(NEEDED).filter(([program]) => Bun.which(program) === null);
if (missing.length > 0) {
  const packages = [...new Set(missing.map(([, from]) => from))].join(" ");
  fail(`${missing.map(([program]) => program).join(", ")} missing; on Debian: apt-get install ${packages}`);
}

if (part === "interrupted") {
  const tried = Bun.spawnSync(["bun", join(import.meta.dir, "interrupted.ts")], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  process.exit(tried.exitCode);
}

const name = placeName(process.pid);
const cancelled = new AbortController();
let exitCode = 0;
// A second one changes nothing: what is under way is the removal.
for (const [signal, code] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const, ["SIGHUP", 129] as const]) {
  process.on(signal, () => {
    if (cancelled.signal.aborted) return;
    say(`${signal}: everything is ended and removed`);
    exitCode = code;
    cancelled.abort();
  });
}
await removeAbandoned(say);
makePlace(name);
try {
  const code = await inNamespaces();
  if (!cancelled.signal.aborted) exitCode = code;
} finally {
  await removePlace(name, values.keep);
}
if (values.keep) {
  // Under a name that the next run does not take for one that was left.
  const kept = folderOf(name.replace("cluster", "kept"));
  renameSync(folderOf(name), kept);
  say(`kept: ${kept}`);
} else {
  const traces = tracesOf(name);
  if (traces.length > 0) fail(`left behind:\n${traces.join("\n")}`);
}
process.exit(exitCode);

async function inNamespaces(): Promise<number> {
  if (cancelled.signal.aborted) return exitCode;
  const prepare = [
    "bun",
    join(import.meta.dir, "prepare.ts"),
    folderOf(name),
    part,
    ...(values.docs ? ["--docs"] : []),
  ];
  // The kernel ends the outermost with this process, and with that one all.
  const [program = "", ...args] = [
    "setpriv",
    "--pdeathsig=KILL",
    ...entering(name, ["unshare", ...NAMESPACES, ...prepare]),
  ];
  const child = spawn(program, args, {
    cwd: REPOSITORY,
    env: { ...process.env, TMPDIR: join(folderOf(name), "tmp") },
    stdio: ["ignore", "inherit", "inherit"],
    // In a session of its own: Ctrl-C reaches this process alone.
    detached: true,
  });
  cancelled.signal.addEventListener("abort", () => child.kill("SIGKILL"));
  return new Promise((done, failed) => {
    child.on("error", failed);
    child.on("exit", (code) => done(code ?? 1));
  });
}

function fail(why: string): never {
  console.error(`test-cluster: ${why}`);
  process.exit(2);
}
