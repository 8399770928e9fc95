import * as grpc from "@grpc/grpc-js";
import type { Scheduler } from "../../base/clock.ts";
import { ApiError } from "../errors.ts";
import { processSystem } from "../system.ts";
import type { Fake } from "./fake.ts";
import { serveHandler } from "./serve-handler.ts";

export interface FakeServerOptions {
  /** The path of a unix socket; its folder must be there. Default: TCP on the loopback, at a free port. */
  readonly socketPath?: string;
  /** For the time that a stop may take. Default: the process's timers. */
  readonly scheduler?: Scheduler;
}

/** A fake on a real socket. */
export interface FakeServer extends AsyncDisposable {
  readonly fake: Fake;
  /** As NVIDIA_DEVICE_API_TARGET takes it: unix:///path or host:port. */
  readonly target: string;
  /** Ends open watches with UNAVAILABLE, as a server does that shuts down; resolves when the socket is let go. */
  stop(): Promise<void>;
}

/** For calls that a reactor holds open: what takes longer is cut off. */
const STOP_GRACE_MS = 1_000;

/** Rejects where the socket cannot be taken. */
export async function startFakeServer(fake: Fake, options: FakeServerOptions = {}): Promise<FakeServer> {
  const { socketPath, scheduler = processSystem.scheduler } = options;
  const stopping = new AbortController();
  const server = new grpc.Server();
  for (const [name, handler] of fake.handlers) serveHandler(server, `/${name}`, handler, stopping.signal);
  const port = await bind(server, socketPath === undefined ? "127.0.0.1:0" : `unix:${socketPath}`);
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopping.abort(new ApiError("UNAVAILABLE", "the server is shutting down"));
    stopped ??= shutDown(server, scheduler);
    return stopped;
  };
  return {
    fake,
    target: socketPath === undefined ? `127.0.0.1:${port}` : `unix://${socketPath}`,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function bind(server: grpc.Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

function shutDown(server: grpc.Server, scheduler: Scheduler): Promise<void> {
  return new Promise((resolve) => {
    const grace = scheduler.setTimer(() => server.forceShutdown(), STOP_GRACE_MS);
    server.tryShutdown(() => {
      grace[Symbol.dispose]();
      resolve();
    });
  });
}
