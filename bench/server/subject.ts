/** The servers that are measured, as processes: both say on standard error that they serve. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const TRANSPORTS = ["unix", "tcp"] as const;
export type Transport = (typeof TRANSPORTS)[number];

export interface Server extends AsyncDisposable {
  readonly label: string;
  readonly pid: number;
  readonly targets: Readonly<Record<Transport, string>>;
  /** From the spawn to the word that it serves. */
  readonly readyMs: number;
}

export interface Subject {
  readonly label: string;
  readonly binaryBytes: number;
  /** For so many connections, by default those of any ordinary use. */
  start(connections?: number): Promise<Server>;
}

/** Connections of the load that are no watches, and some to spare. */
const OTHER_CONNECTIONS = 100;
const START_LIMIT_MS = 30_000;

export function ourServer(label: string, path: string): Subject {
  return createSubject(label, path, (socket, connections) => [
    "serve",
    `--unix-socket=${socket}`,
    ...["--grpc-address=127.0.0.1:0", "--ui-address=127.0.0.1:0", "--http-host=127.0.0.1"],
    ...["--health-port=0", "--metrics-port=0", "--shutdown-delay=0", "--tcp-allow-providers"],
    ...(connections === undefined ? [] : limits(connections + OTHER_CONNECTIONS)),
  ]);
}

export function referenceServer(path: string): Subject {
  return createSubject("reference", path, (socket) => [`-unix-socket=${socket}`]);
}

function limits(connections: number): string[] {
  return [`--max-connections=${connections}`, `--max-connections-per-uid=${connections}`];
}

function createSubject(
  label: string,
  path: string,
  argsFor: (socket: string, connections: number | undefined) => readonly string[],
): Subject {
  const program = resolve(path);
  return {
    label,
    binaryBytes: statSync(program).size,
    async start(connections) {
      const folder = mkdtempSync(join(tmpdir(), "das-bench-"));
      const socket = join(folder, "device.sock");
      const started = performance.now();
      const child = Bun.spawn([program, ...argsFor(socket, connections)], {
        cwd: folder,
        stdin: "ignore",
        stdout: "ignore",
        stderr: "pipe",
      });
      const { tcp, atMs } = await serving(child, program).catch((error) => {
        child.kill("SIGKILL");
        rmSync(folder, { recursive: true, force: true });
        throw error;
      });
      return {
        label,
        pid: child.pid,
        targets: { unix: `unix:${socket}`, tcp },
        readyMs: atMs - started,
        async [Symbol.asyncDispose]() {
          child.kill("SIGTERM");
          await child.exited;
          rmSync(folder, { recursive: true, force: true });
        },
      };
    },
  };
}

async function serving(child: Bun.Subprocess<"ignore", "ignore", "pipe">, program: string) {
  const found = Promise.withResolvers<{ tcp: string; atMs: number }>();
  const late = setTimeout(() => found.reject(new Error(`${program} does not serve`)), START_LIMIT_MS);
  void (async () => {
    const decoder = new TextDecoder();
    let log = "";
    // Read to its end, so that a server which has much to say is not held up.
    for await (const chunk of child.stderr) {
      const atMs = performance.now();
      log = (log + decoder.decode(chunk, { stream: true })).slice(-LOG_KEPT);
      const [, tcp] = /"msg":"serving".*"tcp":"([^"]+)"/.exec(log) ?? [];
      if (tcp !== undefined) found.resolve({ tcp, atMs });
    }
    found.reject(new Error(`${program} ended before it served:\n${log}`));
  })();
  return await found.promise.finally(() => clearTimeout(late));
}

const LOG_KEPT = 10_000;
