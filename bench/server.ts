/** `just bench`: the compiled binary beside the reference server of bench/go; `just bench --help` has more. */
import { resolve } from "node:path";
import { say } from "../scripts/process.ts";
import { buildGoPrograms } from "./server/go-programs.ts";
import { createLoad, type Load, type Run } from "./server/load.ts";
import { type Surroundings, surroundings } from "./server/machine.ts";
import { HELP, type Options, parseOptions, UsageError } from "./server/options.ts";
import { planFor } from "./server/plan.ts";
import { type Scenario, scenarios } from "./server/scenarios.ts";
import { createSheet, type Row, ratioOf, render, type Sheet } from "./server/sheet.ts";
import { ourServer, referenceServer, type Subject } from "./server/subject.ts";

process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(args);
    if (options === "help") console.log(HELP.trimEnd());
    else await bench(options);
    return 0;
  } catch (error) {
    console.error(`bench: ${(error as Error).message}`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function bench(options: Options): Promise<void> {
  const go = buildGoPrograms();
  const ours = ourServer("ours", options.binary);
  const peer = options.peer === undefined ? referenceServer(go.reference) : ourServer("peer", options.peer);
  const subjects = [ours, peer] as const;
  const chosen = scenarios(planFor(options.quick, options.repetitions), options.transports).filter(({ name }) =>
    options.scenarios.includes(name),
  );
  const binaries = [options.binary, ...(options.peer === undefined ? [] : [options.peer])];
  const where = surroundings(binaries.map((path) => resolve(path)));
  const sheet = createSheet();
  const runs: Run[] = [];
  const load = createLoad(go.load, runs);
  for (const scenario of chosen) await measure(scenario, subjects, load, sheet);
  // The aims are ratios to the reference.
  const rows = options.peer === undefined ? sheet.rows : sheet.rows.map((row) => ({ ...row, aim: "" }));
  if (options.format === "json") printJson(where, [ours.label, peer.label], rows, runs);
  else printTables(options.format === "markdown", where, [ours.label, peer.label], rows);
}

/** The servers take turns, and who comes first, too: what else happens on the machine hits both. */
async function measure(
  scenario: Scenario,
  subjects: readonly [Subject, Subject],
  load: Load,
  sheet: Sheet,
): Promise<void> {
  const started = performance.now();
  for (let round = 0; round < scenario.repetitions; round++) {
    for (const server of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      sheet.add(scenario, server, await scenario.measure(subjects[server], load));
    }
  }
  const title = scenario.subject === "" ? scenario.name : scenario.subject;
  say(`${scenario.section}, ${title}: ${((performance.now() - started) / 1_000).toFixed(0)} s`);
}

type Labels = readonly [ours: string, other: string];

function printTables(markdown: boolean, where: Surroundings, labels: Labels, rows: readonly Row[]): void {
  console.log(`${where.date}, on ${where.machine}.\n${where.versions.join(", ")}.\n`);
  console.log(render(rows, labels, markdown).trimEnd());
}

function printJson(where: Surroundings, [ours, other]: Labels, rows: readonly Row[], runs: readonly Run[]): void {
  const shown = rows.map((row) => {
    const { section, what, values, aim } = row;
    return { section, what, [ours]: values[0], [other]: values[1], ratio: ratioOf(row), aim };
  });
  console.log(JSON.stringify({ ...where, rows: shown, runs }, undefined, 2));
}
