/**
 * Ends runs of tests/cluster/run.ts before their time, in each way that one may end, and looks at what is left on this
 * machine afterwards, which must be nothing: `just test-cluster interrupted`. The parts of the node have to be there.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { groupNames, processesIn } from "./cgroups.ts";
import { placeName, tracesOf } from "./place.ts";
import { run, until } from "./processes.ts";

interface Case {
  readonly name: string;
  /** Ends the run, which has printed the line of `after`. */
  end(runner: ChildProcess, pid: number): void;
  readonly after: RegExp;
  readonly exitCode: number | null;
  /** What may be left until the next run: that of a runner that could do nothing any more. */
  readonly untilNext?: boolean;
}

const UP = /^ok +control plane/m;
const WITH_POD = /^ok +helm install/m;

const CASES: readonly Case[] = [
  {
    name: "SIGKILL, with a pod",
    after: WITH_POD,
    end: (runner) => runner.kill("SIGKILL"),
    exitCode: null,
    untilNext: true,
  },
  { name: "Ctrl-C, with a pod", after: WITH_POD, end: (_, pid) => process.kill(-pid, "SIGINT"), exitCode: 130 },
  {
    name: "SIGTERM as the node starts",
    after: /^made the images/m,
    end: (runner) => runner.kill("SIGTERM"),
    exitCode: 143,
  },
  {
    name: "SIGTERM at the images",
    after: /^making the images/m,
    // In the midst of buildah's work.
    end: (runner) => setTimeout(() => runner.kill("SIGTERM"), 6_000),
    exitCode: 143,
  },
  { name: "a part of the node that dies", after: UP, end: (_, pid) => killEtcd(pid), exitCode: 1 },
];

/** Generous: images and node take some 15 s. */
const LIMIT_MS = 180_000;

let failures = 0;
const before = await seenOnMachine();
let abandoned: number | undefined;
for (const { name, after, end, exitCode, untilNext } of CASES) {
  const started = performance.now();
  const trouble: string[] = [];
  const { runner, pid, text, ended } = start();
  await until(`${after}`, async () => after.test(text()) || undefined, LIMIT_MS).catch((error) =>
    trouble.push(`${error}\n${text()}`),
  );
  if (abandoned !== undefined) trouble.push(...tracesOf(placeName(abandoned)));
  end(runner, pid);
  const code = await ended;
  if (code !== exitCode) trouble.push(`it ended with ${code}:\n${text()}`);
  if (untilNext) {
    abandoned = pid;
    // Without a next run, too.
    const gone = async () => (processesIn(placeName(pid)).length === 0 ? true : undefined);
    await until("no process", gone, 10_000).catch((error) => trouble.push(String(error)));
  } else {
    const now = await seenOnMachine();
    trouble.push(...now.filter((line) => !before.includes(line)).map((line) => `left: ${line}`));
    trouble.push(...before.filter((line) => !now.includes(line)).map((line) => `gone: ${line}`));
  }
  if (trouble.length > 0) failures++;
  const seconds = Math.round((performance.now() - started) / 1_000);
  console.log(`${trouble.length === 0 ? "ok      " : "FAILED  "} nothing is left after ${name} (${seconds} s)`);
  for (const line of trouble) console.log(line.replace(/^/gm, "    "));
}
console.log(`${CASES.length - failures} passed, ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);

/** As a terminal does it, in a process group of its own. */
function start() {
  const runner = spawn("bun", [join(import.meta.dir, "run.ts")], { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [runner.stdout, runner.stderr]) stream.on("data", (bytes: Buffer) => (said += bytes));
  const ended = new Promise<number | null>((done) => runner.on("exit", done));
  return { runner, pid: runner.pid ?? 0, text: () => said, ended };
}

function killEtcd(runner: number): void {
  const isEtcd = (pid: number) => readFileSync(`/proc/${pid}/comm`, "utf8") === "etcd\n";
  for (const pid of processesIn(placeName(runner)).filter(isEtcd)) process.kill(pid, "SIGKILL");
}

/** Everything on this machine that a run could leave, as lines. */
async function seenOnMachine(): Promise<string[]> {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").trim().split("\n");
  const names = (await run(["ps", "-eo", "comm="])).trim().split("\n");
  const ofNode = /^(etcd|kube|containerd|runc|pause|program|prometheus)/;
  const cache = join(homedir(), ".cache/device-api-server");
  const folders = ["/var/lib", "/run", "/var/log", "/usr/libexec", "/opt", "/etc", "dist", "dist/image", cache];
  return [
    ...mounts.map((line) => `mount ${line.split(" ").slice(3, 5).join(" at ")}`),
    ...names.filter((name) => ofNode.test(name)).map((name) => `process ${name}`),
    ...((await run(["ip", "-oneline", "link"])).match(/^\d+: [^:@]+/gm)?.map((link) => `link ${link}`) ?? []),
    ...["device-api-cluster-", "kubepods", "k8s.io"].flatMap(groupNames).map((name) => `control group ${name}`),
    ...folders.filter(existsSync).flatMap((folder) => readdirSync(folder).map((name) => join(folder, name))),
    ...readdirSync(tmpdir()).filter((name) => name.startsWith("device-api-cluster-")),
  ].filter((line) => !line.startsWith("dist/cluster-result"));
}
