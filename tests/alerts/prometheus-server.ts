import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RULE_FILES } from "./rule-files.ts";
import { PROMETHEUS } from "./tools.ts";

/** One series of an answer; its value at the time of the query. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [seconds: number, value: string];
}

export interface EvaluatedRule {
  readonly name: string;
  readonly type: "alerting" | "recording";
  readonly health: "ok" | "err" | "unknown";
  readonly lastError?: string;
  /** Of alerts: firing, pending or inactive. */
  readonly state?: string;
  readonly evaluationTime: number;
}

/** A real Prometheus that scrapes servers each second, with the chart's rules. */
export interface PrometheusServer extends AsyncDisposable {
  readonly url: string;
  query(expr: string): Promise<readonly Sample[]>;
  rules(): Promise<readonly EvaluatedRule[]>;
}

/** Against hangs; it takes a second. */
const START_LIMIT_MS = 60_000;

export async function startPrometheus(...targets: readonly string[]): Promise<PrometheusServer> {
  const folder = mkdtempSync(join(tmpdir(), "prometheus-"));
  mkdirSync(join(folder, "data"));
  writeFileSync(join(folder, "prometheus.yml"), configuration(targets));
  const flags = [
    `--config.file=${join(folder, "prometheus.yml")}`,
    `--storage.tsdb.path=${join(folder, "data")}`,
    "--web.listen-address=127.0.0.1:0",
  ];
  const child = Bun.spawn([PROMETHEUS ?? "prometheus", ...flags], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const log = new Log(child.stderr);
  const close = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
    rmSync(folder, { recursive: true, force: true });
  };
  const deadline = performance.now() + START_LIMIT_MS;
  let url = "";
  while (url === "" || !(await isReady(url))) {
    url = /"Listening on" address=(\S+)/.exec(log.text)?.[1]?.replace(/^/, "http://") ?? "";
    if (child.exitCode === null && performance.now() < deadline) await Bun.sleep(50);
    else {
      await close();
      throw new Error(`Prometheus does not start: ${log.text}`);
    }
  }
  return {
    url,
    query: async (expr) =>
      (await ask<{ result: readonly Sample[] }>(`${url}/api/v1/query?query=${encodeURIComponent(expr)}`)).result,
    rules: async () => {
      const { groups } = await ask<{ groups: { rules: EvaluatedRule[] }[] }>(`${url}/api/v1/rules`);
      return groups.flatMap(({ rules }) => rules);
    },
    [Symbol.asyncDispose]: close,
  };
}

/** What a process has written so far. It picks its own port, and says there which. */
class Log {
  text = "";

  constructor(stream: ReadableStream<Uint8Array>) {
    void this.#collect(stream);
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.text += decoder.decode(chunk, { stream: true });
  }
}

/** JSON is YAML. */
function configuration(targets: readonly string[]): string {
  return JSON.stringify({
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    rule_files: RULE_FILES,
    scrape_configs: [{ job_name: "device-api-server", static_configs: [{ targets }] }],
  });
}

const isReady = async (url: string): Promise<boolean> =>
  fetch(`${url}/-/ready`).then(
    ({ ok }) => ok,
    () => false,
  );

async function ask<T>(url: string): Promise<T> {
  const answer = (await (await fetch(url)).json()) as { status: string; error?: string; data: T };
  if (answer.status !== "success") throw new Error(`${answer.error}: ${url}`);
  return answer.data;
}
