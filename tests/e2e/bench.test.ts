import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { buildGoPrograms } from "../../bench/server/go-programs.ts";
import type { Run } from "../../bench/server/load.ts";
import { SCENARIO_NAMES } from "../../bench/server/scenarios.ts";
import { NO_MODULES } from "../support/go-modules.ts";

const ROOT = join(import.meta.dir, "../..");
const SERVERS = ["ours", "reference"];
const TRANSPORTS = ["unix", "tcp"];

interface Report {
  readonly rows: readonly {
    readonly section: string;
    readonly what: string;
    readonly ours: readonly number[];
    readonly reference: readonly number[];
  }[];
  readonly runs: readonly Run[];
}

/** Before the tests, which have a time limit: without anything in Go's caches it takes minutes. */
const built = Bun.which("go") === null ? undefined : build();
const reason =
  built === undefined ? "there is no Go" : NO_MODULES.test(built) ? "Go's modules cannot be had" : undefined;

/** What went wrong; "" where all is well. */
function build(): string {
  try {
    buildGoPrograms();
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

/** Nothing here looks at a speed: the load itself ends with an error at a status, a reply or an event that is wrong. */
describe.skipIf(reason !== undefined)(`the benchmark${reason === undefined ? "" : `: ${reason}`}`, () => {
  let report: Report;

  beforeAll(async () => {
    expect(built).toBe("");
    report = JSON.parse(await bench("--quick", "--json")) as Report;
  });

  test("has its programs formatted as Go is", () => {
    const gofmt = Bun.spawnSync(["gofmt", "-l", "load", "reference"], { cwd: join(ROOT, "bench/go") });
    expect(gofmt.stdout.toString()).toBe("");
  });

  for (const server of SERVERS) {
    for (const transport of TRANSPORTS) {
      const runs = (kind: string) =>
        report.runs.filter((run) => run.server === server && run.transport === transport && run.kind === kind);

      test(`has every call answered, ${server} over ${transport}`, () => {
        for (const kind of ["list", "get", "update"]) {
          const calls = runs(kind).map(({ result }) => result.calls);
          expect(calls.length).toBeGreaterThanOrEqual(2);
          expect(Math.min(...calls)).toBeGreaterThan(0);
        }
      });

      test(`has every update reach every watcher, ${server} over ${transport}`, () => {
        expect(runs("fanout").map(({ result }) => result.events)).toEqual([20 * 20, 100 * 20]);
        expect(runs("watches").map(({ result }) => result.events)).toContain(100);
      });
    }
  }

  test("has lists of the same length from both servers, but for the times in them", () => {
    const [ours = 0, reference = 0] = SERVERS.map(
      (server) => report.runs.find((run) => run.server === server && run.kind === "list")?.result.replyBytes,
    );
    // 8 GPUs with 4 conditions each; the nanoseconds of a time take up to 6 bytes, or none.
    expect(Math.abs(ours - reference)).toBeLessThanOrEqual(8 * 4 * 6);
  });

  test("gives a figure of each server in every row", () => {
    expect(new Set(report.rows.map(({ section }) => section)).size).toBe(4);
    const figure = [expect.any(Number)];
    for (const row of report.rows) expect(row).toMatchObject({ ours: figure, reference: figure });
  });

  test("puts another binary of ours in the place of the reference", async () => {
    const text = await bench("--quick", "--peer=dist/device-api-server", "--scenario=start", "--markdown");
    expect(text).toMatch(/^\| what +\| +ours \| +peer \| +ratio \| aim +\|$/m);
  });
});

test("the benchmark names its scenarios where it does not know one", () => {
  const done = Bun.spawnSync([process.execPath, "bench/server.ts", "--scenario=lists"], { cwd: ROOT, stderr: "pipe" });
  expect(done.exitCode).toBe(2);
  expect(done.stderr.toString()).toBe(`bench: unknown scenario lists; one of ${SCENARIO_NAMES.join(", ")}\n`);
});

async function bench(...args: readonly string[]): Promise<string> {
  const child = Bun.spawn([process.execPath, "bench/server.ts", ...args], {
    cwd: ROOT,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(err);
  return out;
}
