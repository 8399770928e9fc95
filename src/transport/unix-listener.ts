import { type BigIntStats, chmodSync, linkSync, lstatSync, mkdtempSync, rmSync, unlinkSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import type { Scheduler } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { ConnectionGate } from "./connection-gate.ts";
import { ListenError } from "./listen-error.ts";
import { codeOf, type Listener, startListening } from "./listener.ts";
import { withPathLock } from "./unix-path-lock.ts";
import { checkSocketPath, clearPath, describeFileFailure, ensureFolder, giveTo, lookAt } from "./unix-socket-file.ts";

export interface UnixListenerOptions {
  /** Absolute. */
  readonly path: string;
  /** The uid that this process runs as: a stale socket of another one is left alone, unless this is 0. */
  readonly ownUid: number;
  readonly gate: ConnectionGate;
  readonly scheduler: Scheduler;
  readonly log: Logger;
  /** Default: 0660. */
  readonly mode?: number;
  /** Default: the group that new files get. */
  readonly gid?: number | undefined;
}

const MODE = 0o660;
/** Somebody who does not know our lock may take the path between our look and our try; not again and again. */
const PUBLISH_TRIES = 3;

/**
 * Listens on a unix socket whose name appears at once with its mode and group, and only where nobody else has it; see
 * docs/design/listener.md. Throws ListenError, in one line that names the flag and what to do.
 */
export async function listenUnix(options: UnixListenerOptions): Promise<Listener> {
  const { path, gate, scheduler, log } = options;
  checkSocketPath(path);
  const label = `unix:${path}`;
  const server = createServer();
  gate.attach(server, label, { kind: "unix" });
  let socket: Published;
  try {
    ensureFolder(path, options.gid);
    socket = await withPathLock(path, scheduler, async () => {
      await clearPath(path, options.ownUid, scheduler);
      return await publish(server, options);
    });
  } catch (error) {
    server.close();
    throw error instanceof ListenError ? error : new ListenError(describeFileFailure(path, error));
  }
  server.on("error", (error) => log.error("a listener failed", { listener: label, error: String(error) }));
  const close = async (): Promise<void> => {
    try {
      await withPathLock(path, scheduler, () => unpublish(path, socket));
    } catch (error) {
      log.warn("a socket could not be removed", { path, error: String(error) });
    }
    server.close();
  };
  let closed: Promise<void> | undefined;
  return {
    label,
    async [Symbol.asyncDispose]() {
      closed ??= close();
      await closed;
    },
  };
}

/** What tells our socket from every other file; while we listen, the kernel gives this number to no other. */
type Published = Pick<BigIntStats, "dev" | "ino">;

/**
 * Binds in a folder that is ours alone, sets group and mode there, and then gives the socket its public name by a hard
 * link: in one step, and only if the name is free. No mask of the process has to be changed for it.
 */
async function publish(server: Server, options: UnixListenerOptions): Promise<Published> {
  const { path, scheduler, ownUid } = options;
  const folder = mkdtempSync(join(dirname(path), ".das-"));
  try {
    // This may be longer than the kernel takes: the runtime then goes by the folder's descriptor.
    const hidden = join(folder, "s");
    await startListening(server, { path: hidden });
    giveTo(hidden, options.gid);
    chmodSync(hidden, options.mode ?? MODE);
    for (let tries = 1; !isLinked(hidden, path); tries++) {
      if (tries === PUBLISH_TRIES) throw new ListenError(`--unix-socket: others keep taking ${path}; choose another`);
      await clearPath(path, ownUid, scheduler);
    }
    return lstatSync(hidden, { bigint: true });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** False where there is something of that name. */
function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Only ours. The caller holds the lock. */
function unpublish(path: string, socket: Published): void {
  const found = lookAt(path);
  if (found !== undefined && found.dev === socket.dev && found.ino === socket.ino) unlinkSync(path);
}
