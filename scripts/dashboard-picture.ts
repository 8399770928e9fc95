/**
 * Draws the dashboard from what a real Prometheus answers to its queries, as a page, and makes a picture of it with
 * Chromium: `bun scripts/dashboard-picture.ts [docs/operations/dashboard.png]`. Two servers on scripted GPUs run for
 * some minutes, and one of them has faults. Needs the binary, Prometheus and Chromium; no part of the checks.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createFakeNvml, type FakeNvml } from "../src/testing/fake-nvml.ts";
import { Callers, GPU_FAULTS } from "../tests/alerts/faults.ts";
import { type PrometheusServer, startPrometheus } from "../tests/alerts/prometheus-server.ts";
import { type RunningBinary, spawnBinary } from "../tests/support/binary.ts";
import type { Panel } from "./dashboard/panel.ts";
import { SECTIONS } from "./dashboard.ts";
import { page } from "./dashboard-picture/page.ts";
import type { Series } from "./dashboard-picture/series.ts";

const PICTURE = resolve(process.argv[2] ?? "docs/operations/dashboard.png");
const BEFORE_MS = 30_000;
const BETWEEN_MS = 12_000;
const AFTER_MS = 30_000;
const PAGE_PX = "1600,4230";

await using open = new AsyncDisposableStack();
const faulty = open.use(createFakeNvml({ gpus: 8 }));
const well = open.use(createFakeNvml({ gpus: 8 }));
const servers = [open.use(await serve(faulty, "gpu-7")), open.use(await serve(well, "gpu-8"))] as const;
const prometheus = open.use(await startPrometheus(...servers.map(({ metricsUrl }) => new URL(metricsUrl).host)));
await happen();
writePicture(page(SECTIONS, await answers(prometheus)));

function serve(fake: FakeNvml, node: string): Promise<RunningBinary> {
  fake.command("gpu 7 with=pages pages_single=40 pages_double=10");
  const nvml = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`];
  return spawnBinary([...nvml, `--node-name=${node}`, "--provider-lease=20s"], fake.env);
}

/** Calls of all kinds the whole time; on one node the faults, a call that hangs and a crash, one after the other. */
async function happen(): Promise<void> {
  using callers = new Callers(servers[0]);
  using others = new Callers(servers[1]);
  await Promise.all([callers.come(), others.come()]);
  const calls = setInterval(() => void Promise.all([callers.callOnce(), others.callOnce()]), 200);
  await Bun.sleep(BEFORE_MS);
  const driver = ["nvmlDeviceGetTemperature hang", "nvmlDeviceGetPowerUsage crash"];
  for (const command of [...GPU_FAULTS, ...driver.map((fault) => `fault ${fault} times=1`), "gpu 1 reset"]) {
    faulty.command(command);
    await Bun.sleep(BETWEEN_MS);
  }
  await Bun.sleep(AFTER_MS);
  clearInterval(calls);
}

async function answers({ url }: PrometheusServer): Promise<(panel: Panel) => readonly Series[]> {
  const end = Math.floor(Date.now() / 1_000);
  const lengthMs = BEFORE_MS + (GPU_FAULTS.length + 3) * BETWEEN_MS + AFTER_MS;
  const found = new Map<Panel, Series[]>();
  for (const panel of SECTIONS.flatMap(({ panels }) => panels)) {
    const series: Series[] = [];
    const isPresent = panel.kind === "stat" || panel.kind === "table";
    const range = `start=${isPresent ? end : end - lengthMs / 1_000}&end=${end}&step=1`;
    for (const { expr, legend } of panel.queries) {
      const query = expr.replaceAll("$node", ".*").replaceAll("$__rate_interval", "15s");
      const answer = await fetch(`${url}/api/v1/query_range?query=${encodeURIComponent(query)}&${range}`);
      const { data } = (await answer.json()) as { data: { result: RangeResult[] } };
      for (const { metric, values } of data.result) {
        series.push({ legend, labels: metric, points: values.map(([seconds, value]) => [seconds, Number(value)]) });
      }
    }
    found.set(panel, series);
  }
  return (panel) => found.get(panel) ?? [];
}

interface RangeResult {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [seconds: number, value: string])[];
}

function writePicture(html: string): void {
  const folder = mkdtempSync(join(tmpdir(), "dashboard-"));
  writeFileSync(join(folder, "page.html"), html);
  const flags = [
    "--headless",
    "--no-sandbox",
    "--hide-scrollbars",
    `--user-data-dir=${folder}`,
    `--window-size=${PAGE_PX}`,
  ];
  const done = Bun.spawnSync(["chromium", ...flags, `--screenshot=${PICTURE}`, `file://${join(folder, "page.html")}`]);
  rmSync(folder, { recursive: true, force: true });
  console.log(done.success ? PICTURE : done.stderr.toString());
}
