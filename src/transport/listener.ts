import type { Server } from "node:net";

/** Accepts connections until it is disposed, once or several times; those that are open then stay open. */
export interface Listener extends AsyncDisposable {
  /** Its name in logs and metrics: `unix:/run/a.sock`, or `tcp:127.0.0.1:50051` with the port that was bound. */
  readonly label: string;
}

/** Resolves when the server listens; rejects with the runtime's error. */
export function startListening(server: Server, where: { path: string } | { host: string; port: number }) {
  return new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...where, backlog: BACKLOG }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/**
 * Connections that the kernel completes before we accept them. A client of a unix socket gets EAGAIN beyond it, and
 * many do not try again. 4,096 is what Linux allows by itself (net.core.somaxconn), and what is served by default.
 */
const BACKLOG = 4_096;

export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
