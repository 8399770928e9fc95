import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A real systemd in namespaces of its own, over a throw-away copy of this machine's files. */
export interface SystemdMachine extends AsyncDisposable {
  /** Runs a command inside; standard output and error together. */
  run(...command: readonly string[]): Promise<{ readonly code: number; readonly output: string }>;
  /** The same; throws with the output where the command fails. */
  must(...command: readonly string[]): Promise<string>;
}

const SCRIPT = join(import.meta.dir, "systemd-machine.sh");
const BOOT_LIMIT_MS = 30_000;
const NAMESPACES = ["-m", "-n", "-p", "-i", "-u"];

/** The mounts of the script that a sandbox may refuse. */
const MOUNTS = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /tmp
cd /tmp
mkdir upper work root groups
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount -t cgroup -o none,name=systemd cgroup groups`;

/** Why no such machine can be had here; undefined where one can. */
export function noSystemdMachine(): string | undefined {
  if (process.getuid?.() !== 0) return "it takes root";
  if (!existsSync("/lib/systemd/systemd")) return "systemd is not installed";
  const tried = Bun.spawnSync(["unshare", ...NAMESPACES, "-f", "sh", "-c", MOUNTS], { stderr: "pipe" });
  return tried.success ? undefined : `its mounts are refused: ${tried.stderr.toString().trim()}`;
}

/** `binds`: folders of this machine that are seen inside, each by its path there. */
export async function bootSystemdMachine(binds: Readonly<Record<string, string>>): Promise<SystemdMachine> {
  const folder = await mkdtemp(join(tmpdir(), "systemd-"));
  const pairs = Object.entries(binds).map(([target, source]) => `${source}:${target}`);
  const command = ["unshare", ...NAMESPACES, "-f", "--kill-child", "bash", SCRIPT, folder, ...pairs];
  const child = Bun.spawn(command, { cwd: "/", stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const run = async (...inside: readonly string[]) => {
    const pid = childOf(child.pid);
    const enter = ["nsenter", "-t", `${pid}`, ...NAMESPACES, `--root=/proc/${pid}/root`, "--wdns=/"];
    const command = [...enter, "sh", "-c", 'exec "$@" 2>&1', "sh", ...inside];
    const entered = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    const output = await new Response(entered.stdout).text();
    return { code: await entered.exited, output };
  };
  const machine: SystemdMachine = {
    run,
    async must(...inside) {
      const { code, output } = await run(...inside);
      if (code !== 0) throw new Error(`${inside.join(" ")} ended with ${code}:\n${output}`);
      return output;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      await rmdir(folder);
    },
  };
  await booted(machine, child);
  return machine;
}

async function booted(machine: SystemdMachine, child: Bun.Subprocess<"ignore", "ignore", "pipe">): Promise<void> {
  const end = performance.now() + BOOT_LIMIT_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`systemd did not start: ${await new Response(child.stderr).text()}`);
    // "degraded": a unit of the host's that has no place here has failed.
    const { output } = await machine.run("systemctl", "is-system-running").catch(() => ({ output: "" }));
    if (/^(running|degraded)$/m.test(output)) return;
    if (performance.now() > end) throw new Error(`systemd is not up: ${output}`);
    await Bun.sleep(100);
  }
}

/** The process that unshare has forked: the first of the new pid namespace. */
function childOf(parent: number): number {
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = existsSync(`/proc/${entry}/stat`) ? readFileSync(`/proc/${entry}/stat`, "utf8") : "";
    // pid (name) state ppid: the name may hold anything, so from its end.
    if (stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === String(parent)) return Number(entry);
  }
  throw new Error("the machine has no first process yet");
}
