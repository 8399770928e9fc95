/**
 * Runs every check and test, or the part named by the argument (lint, unit, e2e), and counts them together. A failing
 * step prints all it wrote; later steps go on. The output of each step is kept under dist/test/. The parts chart,
 * image and gpu stand apart: they need tools that take minutes to build, or that a usual machine does not have; and so
 * does long, which takes longer than every change has time for.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { capture, killAll, type Outcome, seconds } from "./process.ts";
import { tallyReport } from "./test/junit.ts";
import { pooled } from "./test/pool.ts";
import { add, closingLine, NOTHING, summary, type Tally } from "./test/tally.ts";

const LOGS = "dist/test";
const BIN = "node_modules/.bin";

/** bun's own 5 s is a limit on speed; this one is against hangs. The key of bunfig.toml has no effect in bun 1.4.5. */
const TEST_TIMEOUT_MS = 120_000;
/** What is still running is said this often. */
const HEARTBEAT_MS = 30_000;
/** A file of unit tests that takes longer is named in the output, and nothing is called slow before. */
const SLOW_FILE_MS = 5_000;
/** Two already keep the smallest machine busy; more than four only compete for memory. */
const UNIT_WORKERS = Math.min(4, Math.max(2, availableParallelism()));

/** Of tests of whole processes. */
const WAITING_WORKERS = 2;
/** Files, by how their paths begin, that have the machine to themselves: they fill it, with many servers each. */
const ALONE = [
  "tests/model/",
  "tests/robustness/bounds",
  "tests/robustness/ten-thousand-watches",
  "tests/e2e/slow-watcher",
  ...["crash-each", "fault-table", "hang-each", "library", "restarts", "storm"].map((name) => `tests/e2e/nvml-${name}`),
];

/** Played in full by the part long, and less often or not at all by every change: what to set for that. */
const LONG: Readonly<Record<string, readonly string[]>> = {
  "tests/model/linearisability.test.ts": ["MODEL_SCALE=2"],
  "tests/conformance/clients.test.ts": [],
  "tests/conformance/grpc.test.ts": [],
  "tests/conformance/h2spec.test.ts": [],
};

/** Parts of their own. */
const APART = ["tests/chart", "tests/image", "tests/gpu", "tests/conformance"];
/** What tests/ asks for by name; a test that misses one says so and is counted as skipped. */
const TEST_TOOLS = ["grpcurl", "nfpm"];

interface Check {
  readonly name: string;
  readonly command: readonly string[];
  readonly cwd?: string;
}

const LINT: readonly Check[] = [
  { name: "types", command: [`${BIN}/tsc`, "--project", "."] },
  { name: "types of the SDK", command: [`${BIN}/tsc`, "--project", "tsconfig.sdk.json", "--noEmit"] },
  { name: "types of the page", command: [`${BIN}/tsc`, "--project", "src/page"] },
  { name: "biome", command: [`${BIN}/biome`, "check", "--error-on-warnings"] },
  { name: "function lengths", command: [`${BIN}/biome`, "lint", "--config-path=tools/biome-functions.json"] },
  { name: "layers and house rules", command: ["bun", "scripts/lint-layers.ts"] },
  { name: "wire contract", command: [`${BIN}/buf`, "lint"] },
  { name: "wire contract format", command: [`${BIN}/buf`, "format", "--diff", "--exit-code"] },
  { name: "generated code", command: ["bun", "scripts/gen.ts", "--check"] },
  { name: "zig format", command: ["zig", "fmt", "--check", "zig"] },
];
const ZIG_TEST: Check = { name: "zig tests", command: ["zig", "build", "test"], cwd: "zig" };
const EMBEDDED: Check = { name: "shim and page build", command: ["bun", "scripts/build.ts", "--embedded-only"] };
const BUILD: Check = { name: "binary builds", command: ["bun", "scripts/build.ts"] };

const PARTS: Readonly<Record<string, () => Promise<Tally>>> = {
  lint: () => inTurn([() => pooled(LINT, 2, check)]),
  unit: () => inTurn([() => check(ZIG_TEST), () => check(EMBEDDED), unitTests]),
  e2e: () => inTurn([wholeProcessTests]),
  chart: () => inTurn([() => goTools("helm", "helm3"), () => inFolder("tests/chart")]),
  image: () => inTurn([() => goTools("nfpm"), () => inFolder("tests/image")]),
  gpu: () => inTurn([() => inFolder("tests/gpu")]),
  long: () => inTurn([() => tools("tests/conformance/parts.ts"), longTests]),
  all: () =>
    inTurn([() => pooled(LINT, 2, check), () => check(ZIG_TEST), () => check(EMBEDDED), unitTests, wholeProcessTests]),
};

const running = new Map<string, number>();

if (import.meta.main) process.exit(await main(process.argv[2] ?? "all"));

async function main(name: string): Promise<number> {
  const part = PARTS[name];
  if (part === undefined) {
    console.error(`test: unknown part ${name}; one of ${Object.keys(PARTS).join(", ")}`);
    return 2;
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      killAll();
      process.exit(1);
    });
  }
  rmSync(LOGS, { recursive: true, force: true });
  const started = performance.now();
  const heartbeat = setInterval(sayWhatRuns, HEARTBEAT_MS);
  const tally = await part();
  clearInterval(heartbeat);

  for (const skip of tally.skipped) console.log(`skipped  ${skip}`);
  for (const failure of tally.failed) console.log(`FAILED   ${failure}`);
  const skipped = tally.skipped.length === 0 ? "" : `; ${tally.skipped.length} skipped, named above`;
  console.log(`${seconds(performance.now() - started)}; output of each step is in ${LOGS}/${skipped}`);
  console.log(closingLine(tally));
  return tally.failed.length === 0 ? 0 : 1;
}

async function check({ name, command, cwd }: Check): Promise<Tally> {
  const outcome = await timed(name, command, cwd);
  if (outcome.ok) {
    console.log(`ok       ${name} (${seconds(outcome.tookMs)})`);
    return { ...NOTHING, passed: 1 };
  }
  printFailure(name, outcome);
  return { ...NOTHING, failed: [name] };
}

async function unitTests(): Promise<Tally> {
  const started = performance.now();
  const files = ["src", "scripts", "bench"].flatMap(testFiles);
  const tally = await pooled(files, UNIT_WORKERS, (file) => testFile(file, false));
  console.log(`unit     ${files.length} files, ${summary(tally)} (${seconds(performance.now() - started)})`);
  return tally;
}

/** Two at a time, for most of what they do is wait; then those that measure memory or work at full speed. */
async function wholeProcessTests(): Promise<Tally> {
  const built = await check(BUILD);
  if (built.failed.length > 0) return add(built, { ...NOTHING, failed: ["whole-process tests: there is no binary"] });
  await goTools(...TEST_TOOLS);
  await tools("scripts/prometheus.ts");
  const files = testFiles("tests").filter((file) => !APART.some((folder) => file.startsWith(`${folder}/`)));
  const alone = (file: string) => ALONE.some((start) => file.startsWith(start));
  return inTurn([
    async () => built,
    () =>
      pooled(
        files.filter((file) => !alone(file)),
        WAITING_WORKERS,
        (file) => testFile(file, true),
      ),
    () => pooled(files.filter(alone), 1, (file) => testFile(file, true)),
  ]);
}

function inFolder(folder: string): Promise<Tally> {
  return pooled(testFiles(folder), 1, (file) => testFile(file, true));
}

function goTools(...names: readonly string[]): Promise<Tally> {
  return tools("scripts/go-tools.ts", ...names);
}

function longTests(): Promise<Tally> {
  return pooled(Object.entries(LONG), 1, ([file, settings]) => testFile(file, true, settings));
}

/** Where one cannot be made, the tests that need it are skipped by name. */
async function tools(script: string, ...names: readonly string[]): Promise<Tally> {
  const made = await timed(script, ["bun", script, ...names]);
  console.log(made.output.trim());
  return NOTHING;
}

/** Each file in a process of its own: one that crashes or leaks takes no other with it. */
async function testFile(file: string, alwaysNamed: boolean, settings: readonly string[] = []): Promise<Tally> {
  const report = join(LOGS, `${flat(file)}.xml`);
  const command = ["env", ...settings, "bun", "test", `--timeout=${TEST_TIMEOUT_MS}`, "--only-failures"];
  const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
  const outcome = await timed(file, [...command, ...reporter, `./${file}`]);
  const tally = tallyReport(file, existsSync(report) ? readFileSync(report, "utf8") : undefined, outcome.ending);
  if (tally.failed.length > 0) printFailure(file, outcome);
  else if (alwaysNamed || outcome.tookMs > SLOW_FILE_MS) {
    console.log(`ok       ${file}: ${summary(tally)} (${seconds(outcome.tookMs)})`);
  }
  if (outcome.leftovers) console.log(`note     ${file} left processes behind; they were ended`);
  return tally;
}

async function timed(name: string, command: readonly string[], cwd?: string): Promise<Outcome> {
  running.set(name, performance.now());
  const log = join(LOGS, `${flat(name)}.log`);
  const outcome = await capture(command, cwd === undefined ? { log } : { log, cwd });
  running.delete(name);
  return outcome;
}

function printFailure(name: string, outcome: Outcome): void {
  console.log(`FAILED   ${name} (${outcome.ending}, ${seconds(outcome.tookMs)})`);
  console.log(outcome.output.replace(/^/gm, "    ").trimEnd());
}

function sayWhatRuns(): void {
  const now = performance.now();
  for (const [name, since] of running) {
    if (now - since > SLOW_FILE_MS) console.log(`...      ${name}, for ${seconds(now - since)} so far`);
  }
}

function testFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function flat(name: string): string {
  return name.replace(/[^\w.-]+/g, "-");
}

async function inTurn(steps: readonly (() => Promise<Tally>)[]): Promise<Tally> {
  return pooled(steps, 1, (step) => step());
}
