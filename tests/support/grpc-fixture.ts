import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, systemScheduler } from "../../src/base/clock.ts";
import type { LogFields, Logger } from "../../src/base/log.ts";
import type { Method } from "../../src/service/call.ts";
import type { UnixPeer } from "../../src/service/peer.ts";
import type { CallEnd, GrpcServerOptions } from "../../src/transport/grpc-options.ts";
import { createGrpcServer, type GrpcServer } from "../../src/transport/grpc-server.ts";

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

export interface GrpcFixture extends AsyncDisposable {
  readonly server: GrpcServer;
  /** The unix socket that the server is reached at. */
  readonly path: string;
  readonly ends: CallEnd[];
  readonly lines: LogLine[];
  /** Streams opened, and streams closed, so far. */
  readonly streams: { opened: number; closed: number };
  readonly connections: ReadonlyMap<number, { readonly peer: UnixPeer; destroy(): void }>;
}

/** A gRPC server with the given methods behind a unix socket of its own. */
export async function startGrpcFixture(
  methods: readonly Method[],
  overrides: Partial<GrpcServerOptions> = {},
): Promise<GrpcFixture> {
  const folder = mkdtempSync(join(tmpdir(), "grpc-"));
  const path = join(folder, "s.sock");
  const connections = new Map<number, { readonly peer: UnixPeer; destroy(): void }>();
  const ends: CallEnd[] = [];
  const lines: LogLine[] = [];
  const streams = { opened: 0, closed: 0 };
  const server = createGrpcServer({
    methods,
    authorize: () => {},
    clock: systemClock,
    scheduler: systemScheduler,
    log: recordingLogger(lines),
    onCallEnd: (end) => ends.push(end),
    onStreamOpen: () => {
      streams.opened++;
    },
    onStreamClose: () => {
      streams.closed++;
    },
    ...overrides,
  });
  let accepted = 0;
  const listener = createServer((socket: Socket) => {
    const connection = ++accepted;
    const peer: UnixPeer = { kind: "unix", connection, pid: 70 + connection, uid: 1_000, gid: 1_000, groups: [27] };
    connections.set(connection, { peer, destroy: () => socket.destroy() });
    socket.on("close", () => connections.delete(connection));
    server.addConnection(socket, peer);
  });
  await listen(listener, path);
  return {
    server,
    path,
    ends,
    lines,
    streams,
    connections,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      for (const entry of connections.values()) entry.destroy();
      server[Symbol.dispose]();
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function listen(listener: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(path, resolve);
  });
}

function recordingLogger(lines: LogLine[]): Logger {
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void lines.push({ level, message, fields });
  return {
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    debug: (level, message, fields) => write(`debug-${level}`)(message, fields),
    enabled: () => true,
  };
}

/** Waits for an outcome; the limit is only against hanging. */
export async function eventually(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  limitMs = 10_000,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`did not happen within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
