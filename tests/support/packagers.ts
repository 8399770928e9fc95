import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { SystemdMachine } from "./systemd-machine.ts";

/** What `just package` makes, as a test sees it here and in a machine of systemd-machine.ts. */
export const PACKAGES = resolve(import.meta.dir, "../../dist/packages");
export const PACKAGES_INSIDE = "/packages";
export const UNIT = "device-api-server.service";
export const SETTINGS = "/etc/default/device-api-server";
/** Of packages that an upgrade begins with. */
export const EARLIER = "0.0.1";

const NAME = "device-api-server";
/** Generous: a start takes well under a second. */
const LIMIT_MS = 30_000;

export interface Packager {
  readonly name: "deb" | "rpm";
  readonly tool: string;
  /** An installation, an upgrade, a downgrade or the same version again. */
  readonly install: (file: string) => readonly string[];
  readonly remove: readonly string[];
  /** What is left when the package is removed and nothing was changed. */
  readonly purge: readonly string[];
}

export const PACKAGERS: readonly Packager[] = [
  {
    name: "deb",
    tool: "dpkg",
    install: (file) => ["dpkg", "--install", file],
    remove: ["dpkg", "--remove", NAME],
    purge: ["dpkg", "--purge", NAME],
  },
  {
    name: "rpm",
    tool: "rpm",
    // The files that it depends on belong to dpkg here.
    install: (file) => ["rpm", "--upgrade", "--nodeps", "--replacepkgs", "--oldpackage", file],
    remove: ["rpm", "--erase", NAME],
    purge: ["true"],
  },
];

/** Its path inside the machine; of the version that is there, or of EARLIER. */
export function packageFile(kind: string, version = ""): string {
  const file = readdirSync(join(PACKAGES, version)).find((name) => name.endsWith(`.${kind}`));
  if (file === undefined) throw new Error(`no ${kind} in ${join(PACKAGES, version)}`);
  return join(PACKAGES_INSIDE, version, file);
}

export function makePackages(...args: readonly string[]): void {
  const cwd = resolve(import.meta.dir, "../..");
  const made = Bun.spawnSync([process.execPath, "scripts/package.ts", ...args], { cwd, stderr: "pipe" });
  if (!made.success) throw new Error(made.stderr.toString());
}

export async function eventually(machine: SystemdMachine, command: readonly string[], wanted: RegExp): Promise<string> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const { output } = await machine.run(...command);
    if (wanted.test(output)) return output;
    if (performance.now() > end) throw new Error(`${command.join(" ")} never said ${wanted}:\n${output}`);
    await Bun.sleep(50);
  }
}

/** Everything of ours below the folders where packages and services put things. */
export async function traces(machine: SystemdMachine): Promise<readonly string[]> {
  const folders = ["/usr/bin", "/usr/lib/systemd", "/usr/lib/sysusers.d", "/usr/lib/tmpfiles.d", "/usr/share/doc"];
  const all = ["find", ...folders, "/etc", "/run", "/var/lib/systemd", "-xdev", "-name", "*device-api*"];
  const { output } = await machine.run(...all);
  return output.split("\n").filter((line) => line !== "" && !line.startsWith("/run/systemd/"));
}

/** As "enabled active". */
export async function stateOf(machine: SystemdMachine): Promise<string> {
  const [enabled, active] = [
    await machine.run("systemctl", "is-enabled", UNIT),
    await machine.run("systemctl", "is-active", UNIT),
  ];
  return `${enabled.output.trim()} ${active.output.trim()}`;
}

export async function mainPid(machine: SystemdMachine): Promise<string> {
  return (await machine.must("systemctl", "show", UNIT, "--property=MainPID", "--value")).trim();
}
