import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./processes.ts";

/**
 * A run has a control group of its own in every hierarchy of the machine, and sees no more of them than that. So the
 * groups that kubelet and runc make are below it, every process of the run is found by it, and all can be removed.
 */

/** A mounted hierarchy: the one of version 2, or one of several of version 1. */
interface Hierarchy {
  readonly mountPoint: string;
  readonly version: 1 | 2;
  /** What it is mounted with: its controllers, or its name. */
  readonly options: readonly string[];
}

/** The processes of the node are in this one: with version 2 a group that divides what it has can have none itself. */
const NODE = "node";

export function groupsOf(name: string): string[] {
  return hierarchies().map(({ mountPoint }) => join(mountPoint, name));
}

/** Names of the groups of all runs that begin so. */
export function groupNames(start: string): string[] {
  const names = hierarchies().flatMap(({ mountPoint }) => readdirSync(mountPoint));
  return [...new Set(names.filter((name) => name.startsWith(start)))];
}

export function makeGroups(name: string): void {
  for (const { mountPoint, version } of hierarchies()) {
    if (version === 2) hand(mountPoint);
    for (const group of [join(mountPoint, name), join(mountPoint, name, NODE)]) {
      mkdirSync(group);
      // Of version 1: empty at first, and no process may enter.
      for (const file of ["cpuset.cpus", "cpuset.mems"]) {
        if (version === 1 && existsSync(join(group, file))) {
          writeFileSync(join(group, file), readFileSync(join(group, "..", file)));
        }
      }
    }
  }
}

/** A shell's words: enters the groups, and from then on sees them as the whole. What follows is run in their place. */
export function entering(name: string, command: readonly string[]): string[] {
  const enter = (then: string) =>
    `for group in $GROUPS_OF_RUN; do echo 0 > "$group${then}/cgroup.procs" || exit 1; done`;
  const inner = `${enter(`/${NODE}`)}; exec "$@"`;
  const outer = `${enter("")}; exec unshare --cgroup sh -c '${inner}' sh "$@"`;
  return ["env", `GROUPS_OF_RUN=${groupsOf(name).join(" ")}`, "sh", "-c", outer, "sh", ...command];
}

/** Inside, in a mount namespace: every hierarchy anew, so that its root is the run's own group. */
export async function mountOwnGroups(): Promise<void> {
  for (const { mountPoint, version, options } of hierarchies()) {
    await run(["umount", mountPoint]);
    if (version === 1) await run(["mount", "-t", "cgroup", "-o", options.join(","), "cgroup", mountPoint]);
    else {
      await run(["mount", "-t", "cgroup2", "cgroup2", mountPoint]);
      hand(mountPoint);
    }
  }
}

/** The processes in the groups of that name, and in those below. */
export function processesIn(name: string): number[] {
  const pids = groupsOf(name).flatMap((group) =>
    below(group).flatMap((path) => readFileSync(join(path, "cgroup.procs"), "utf8").split("\n")),
  );
  return [...new Set(pids.filter((pid) => pid !== "").map(Number))];
}

/** Ends what still runs there, and removes the groups. */
export async function removeGroups(name: string): Promise<void> {
  for (const end = performance.now() + END_LIMIT_MS; processesIn(name).length > 0; ) {
    for (const pid of processesIn(name)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
    if (performance.now() > end) throw new Error(`processes that do not end: ${processesIn(name).join(", ")}`);
    await Bun.sleep(50);
  }
  for (const group of groupsOf(name)) for (const path of below(group)) rmdirSync(path);
}

const END_LIMIT_MS = 20_000;

/** The group and all below it, the deepest first; nothing where there is none. */
function below(group: string): string[] {
  if (!existsSync(group)) return [];
  const folders = readdirSync(group, { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory());
  const paths = folders.map((entry) => join(entry.parentPath, entry.name));
  return [...paths.sort((a, b) => b.length - a.length), group];
}

/** Version 2: lets the groups below divide what the chart limits. systemd has that so on most machines. */
function hand(group: string): void {
  const words = (file: string) => readFileSync(join(group, file), "utf8").trim().split(/\s+/);
  const [there, given] = [words("cgroup.controllers"), words("cgroup.subtree_control")];
  for (const controller of ["cpu", "memory", "pids"]) {
    if (there.includes(controller) && !given.includes(controller)) {
      writeFileSync(join(group, "cgroup.subtree_control"), `+${controller}`);
    }
  }
}

function hierarchies(): Hierarchy[] {
  const found: Hierarchy[] = [];
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").trim().split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [type, , options = ""] = after.split(" ");
    if (type !== "cgroup" && type !== "cgroup2") continue;
    const own = options.split(",").filter((option) => option !== "rw" && option !== "ro" && option !== "xattr");
    // A hierarchy with a name and no controller.
    if (own.every((option) => option.startsWith("name="))) own.unshift("none");
    found.push({ mountPoint: before.split(" ")[4] ?? "", version: type === "cgroup2" ? 2 : 1, options: own });
  }
  return found;
}
