import type { FakeNvml } from "../../src/testing/fake-nvml.ts";
import { type GpuWatch, type Seen, shortOf } from "./gpu-watch.ts";
import type { FaultRow } from "./nvml-faults.ts";

/** A scripted machine with one GPU for each row, a server on it, and a watch. */
export interface Stage {
  readonly fake: FakeNvml;
  readonly watch: GpuWatch;
  /** By place. */
  readonly names: readonly string[];
}

export interface Begun extends Seen {
  /** From the command that puts the fault in to the watch event. */
  readonly tookMs: number;
}

export function setUpRows(fake: FakeNvml, rows: readonly FaultRow[]): void {
  rows.forEach(({ setUp = [] }, place) => {
    give(fake, setUp, place);
  });
}

/** Puts the fault in; resolves to the first state in which the condition is not True. */
export async function beginFault({ fake, watch, names }: Stage, row: FaultRow, place: number): Promise<Begun> {
  const begun = watch.until(names[place] ?? "", (gpu) => !shortOf(gpu, row.condition).startsWith("True"), row.name);
  const startedMs = performance.now();
  give(fake, row.begin, place);
  const seen = await begun;
  return { ...seen, tookMs: seen.atMs - startedMs };
}

/** Plays the way back; resolves to the first state after the last step in which condition and GPU are well. */
export async function endFault({ fake, watch, names }: Stage, row: FaultRow, place: number): Promise<Begun> {
  const name = names[place] ?? "";
  for (const step of row.end.slice(0, -1)) {
    const shown = watch.next(name, () => true, `${row.name}, after ${step}`);
    give(fake, [step], place);
    await shown;
  }
  const startedMs = performance.now();
  const isWell = watch.until(
    name,
    (gpu) => shortOf(gpu, row.condition).startsWith("True") && shortOf(gpu, "Ready").startsWith("True"),
    `${row.name}, the way back`,
  );
  give(fake, row.end.slice(-1), place);
  const seen = await isWell;
  return { ...seen, tookMs: seen.atMs - startedMs };
}

function give(fake: FakeNvml, commands: readonly string[], place: number): void {
  for (const command of commands) fake.command(command.replaceAll("$", String(place)));
}
