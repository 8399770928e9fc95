import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const MEBIBYTE = 1_048_576;
/** Longer than any test: then it is thawed even where the test was killed. */
const THAW_S = 120;

/**
 * A file system of its own that can be frozen: whoever writes to it then, or to memory that is mapped from it, sleeps
 * uninterruptibly until it is thawed, and so does not end of SIGKILL. Mounting takes root.
 */
export class FrozenFolder implements Disposable {
  readonly path: string;
  #guard: Bun.Subprocess | undefined;

  constructor(inFolder: string) {
    const image = join(inFolder, "image");
    this.path = join(inFolder, "mounted");
    mkdirSync(this.path);
    succeed("truncate", "--size", String(16 * MEBIBYTE), image);
    succeed("mkfs.ext4", "-q", "-F", image);
    succeed("mount", "-o", "loop", image, this.path);
  }

  freeze(): void {
    const late = `sleep ${THAW_S}; fsfreeze --unfreeze ${this.path}; umount --lazy ${this.path}`;
    this.#guard = Bun.spawn(["sh", "-c", late], { detached: true, stdio: ["ignore", "ignore", "ignore"] });
    succeed("fsfreeze", "--freeze", this.path);
  }

  /** Does nothing where it is not frozen. */
  thaw(): void {
    if (this.#guard === undefined) return;
    process.kill(-this.#guard.pid, "SIGKILL");
    this.#guard = undefined;
    succeed("fsfreeze", "--unfreeze", this.path);
  }

  [Symbol.dispose](): void {
    this.thaw();
    succeed("umount", "--lazy", this.path);
  }
}

/** Why a FrozenFolder cannot be had here; undefined where it can. */
export function whyNoFrozenFolder(): string | undefined {
  if (process.getuid?.() !== 0) return "it takes root";
  const missing = ["mkfs.ext4", "mount", "umount", "fsfreeze"].filter((tool) => Bun.which(tool) === null);
  if (missing.length > 0) return `there is no ${missing.join(", ")}`;
  const systems = readFileSync("/proc/filesystems", "utf8");
  if (!/\text4$/m.test(systems)) return "the kernel has no ext4";
  return readdirSync("/dev").includes("loop-control") ? undefined : "there are no loop devices";
}

/** The states of a process's threads, a letter each as /proc has them; empty where there is no such process. */
export function threadStates(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
      return stat.slice(stat.lastIndexOf(")") + 2)[0] ?? "";
    });
  } catch {
    return [];
  }
}

function succeed(...command: [string, ...string[]]): void {
  const { exitCode, stderr } = Bun.spawnSync(command, { stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
}
