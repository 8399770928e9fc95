import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { groupNames, groupsOf, makeGroups, processesIn, removeGroups } from "./cgroups.ts";
import { unfinishedParts } from "./parts.ts";

/**
 * What a run has outside its namespaces, all of it by one name that says whose it is: a folder and control groups.
 * Namespaces end with their processes, so nothing else can be left, even by a runner that was killed.
 */
const START = "device-api-cluster-";

/** Of the run whose runner has this process id. */
export function placeName(pid: number): string {
  return `${START}${pid}`;
}

export function folderOf(name: string): string {
  return join(tmpdir(), name);
}

export function makePlace(name: string): void {
  mkdirSync(folderOf(name), { mode: 0o700 });
  // Temporary files of everything that runs.
  mkdirSync(join(folderOf(name), "tmp"));
  makeGroups(name);
}

/** Ends what runs there, and removes all of it but, if wanted, the folder. */
export async function removePlace(name: string, keepFolder = false): Promise<void> {
  await removeGroups(name);
  for (const folder of unfinishedParts(name)) rmSync(folder, { recursive: true, force: true });
  // Never while something of this machine is mounted in it.
  if (!keepFolder && mountsIn(name).length === 0) rmSync(folderOf(name), { recursive: true, force: true });
}

/** What runs whose runner was killed have left. */
export async function removeAbandoned(say: (line: string) => void): Promise<void> {
  const names = new Set([...readdirSync(tmpdir()).filter((name) => name.startsWith(START)), ...groupNames(START)]);
  for (const name of names) {
    const pid = Number(name.slice(START.length));
    if (!Number.isInteger(pid) || isRunner(pid)) continue;
    say(`removing what a run that was killed has left: ${name}`);
    await removePlace(name);
  }
}

/** Whatever of the run is still to be found on this machine, by name. */
export function tracesOf(name: string): string[] {
  return [
    ...processesIn(name).map((pid) => `process ${pid}`),
    ...groupsOf(name).filter(existsSync),
    ...mountsIn(name).map((line) => `mount ${line}`),
    ...unfinishedParts(name),
    ...[folderOf(name)].filter(existsSync),
  ];
}

function mountsIn(name: string): string[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").trim().split("\n");
  return lines.filter((line) => line.includes(`${folderOf(name)}/`));
}

function isRunner(pid: number): boolean {
  // Its own number, from an earlier life of this machine.
  if (pid === process.pid) return false;
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) && readFileSync(file, "utf8").includes("tests/cluster/run.ts");
}
