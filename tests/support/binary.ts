import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scrape } from "./metrics.ts";

export const BINARY = join(import.meta.dir, "../../dist/device-api-server");

/** A child process of the compiled binary that serves. */
export interface RunningBinary extends AsyncDisposable {
  readonly unixTarget: string;
  readonly tcpTarget: string;
  readonly healthUrl: string;
  readonly metricsUrl: string;
  /** Without a slash at the end; `http://undefined` where there is no page. */
  readonly uiUrl: string;
  readonly socket: string;
  readonly process: Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** What it has logged so far, a line each. */
  readonly logLines: readonly string[];
  metric(name: string, labels?: string): Promise<number>;
  /** SIGTERM; resolves to the exit status. */
  stop(): Promise<number>;
}

/** Longer than any start takes on a busy machine. */
const START_LIMIT_MS = 30_000;

/**
 * Starts the binary on free ports and a socket of its own, and waits until it says that it serves. `prefix` is a
 * command that runs the rest of its line in its own place.
 */
export async function spawnBinary(
  args: readonly string[],
  env: Record<string, string> = {},
  prefix: readonly string[] = [],
): Promise<RunningBinary> {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing: run "just build" first`);
  const folder = await mkdtemp(join(tmpdir(), "das-"));
  const socket = join(folder, "device.sock");
  const free = [`--unix-socket=${socket}`, "--grpc-address=127.0.0.1:0", "--ui-address=127.0.0.1:0"];
  const ports = ["--health-port=0", "--metrics-port=0"];
  const child = Bun.spawn(
    [...prefix, BINARY, "serve", "--shutdown-delay=0", "--http-host=127.0.0.1", ...free, ...ports, ...args],
    {
      cwd: folder,
      env: { PATH: Bun.env["PATH"] ?? "", ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const logLines: string[] = [];
  const serving = Promise.withResolvers<Record<string, unknown>>();
  void collect(child.stdout, logLines, () => {});
  void collect(child.stderr, logLines, (line) => {
    const fields = line.startsWith("{") ? (JSON.parse(line) as Record<string, unknown>) : {};
    if (fields["msg"] === "serving") serving.resolve(fields);
  });
  void child.exited.then((code) => serving.reject(new Error(`exit ${code} before serving:\n${logLines.join("\n")}`)));
  const late = setTimeout(() => serving.reject(new Error(`not serving:\n${logLines.join("\n")}`)), START_LIMIT_MS);
  const fields = await serving.promise.finally(() => clearTimeout(late));
  const stop = async () => {
    child.kill("SIGTERM");
    const code = await child.exited;
    await rm(folder, { recursive: true, force: true });
    return code;
  };
  return {
    unixTarget: `unix://${socket}`,
    tcpTarget: String(fields["tcp"]),
    healthUrl: `http://127.0.0.1:${fields["healthPort"]}`,
    metricsUrl: `http://127.0.0.1:${fields["metricsPort"]}/metrics`,
    uiUrl: `http://${fields["ui"]}`,
    socket,
    process: child,
    logLines,
    metric: (name, labels) => scrape(Number(fields["metricsPort"]), name, labels),
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

async function collect(stream: ReadableStream<Uint8Array>, into: string[], onLine: (line: string) => void) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      into.push(line);
      onLine(line);
    }
  }
}
