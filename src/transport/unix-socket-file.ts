import { type BigIntStats, chmodSync, chownSync, lstatSync, mkdirSync, statSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { Scheduler } from "../base/clock.ts";
import { ListenError } from "./listen-error.ts";
import { codeOf } from "./listener.ts";

/** sun_path holds 108 bytes with the final NUL; a longer path would be cut without a word. */
export const SOCKET_PATH_BYTES_MAX = 107;
/** Whoever may not pass the folder cannot connect, whatever the socket's mode. */
const FOLDER_MODE = 0o750;
/** Connecting to a unix socket waits for nothing unless the process behind it is stuck. */
const PROBE_MS = 2_000;

/** Throws ListenError for a path that cannot be one of a socket. */
export function checkSocketPath(path: string): void {
  const bytes = new TextEncoder().encode(path).length;
  if (bytes > SOCKET_PATH_BYTES_MAX) {
    throw new ListenError(
      `--unix-socket: ${path} has ${bytes} bytes, and the kernel takes ${SOCKET_PATH_BYTES_MAX}: choose a shorter path`,
    );
  }
  if (!path.startsWith("/") || path.endsWith("/") || path.includes("\0")) {
    throw new ListenError(`--unix-socket: ${JSON.stringify(path)} is not the absolute path of a file`);
  }
}

/** Makes the socket's folder where only that is missing, for the same group as the socket. Throws ListenError. */
export function ensureFolder(path: string, gid: number | undefined): void {
  const folder = dirname(path);
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined) makeFolder(folder, gid);
  else if (!found.isDirectory()) throw new ListenError(`--unix-socket: ${folder} is not a folder; choose another path`);
}

function makeFolder(folder: string, gid: number | undefined): void {
  try {
    mkdirSync(folder, FOLDER_MODE);
    giveTo(folder, gid);
    // The mask of new files may have taken bits away.
    chmodSync(folder, FOLDER_MODE);
  } catch (error) {
    if (error instanceof ListenError) throw error;
    switch (codeOf(error)) {
      case "EEXIST":
        return;
      case "ENOENT":
        throw new ListenError(`--unix-socket: neither ${folder} nor the folder above it exists; create it`);
      default:
        throw new ListenError(
          `--unix-socket: cannot create ${folder} (${codeOf(error)}); create it, or choose another`,
        );
    }
  }
}

/** Throws ListenError where this process may not give files to that group. */
export function giveTo(path: string, gid: number | undefined): void {
  if (gid === undefined) return;
  try {
    chownSync(path, lstatSync(path).uid, gid);
  } catch (error) {
    if (codeOf(error) !== "EPERM") throw error;
    throw new ListenError(`--socket-group: this user is not in group ${gid}; add it, or choose another group`);
  }
}

/**
 * Takes a stale socket away. A live server, a socket of somebody else, and anything that is no socket is left alone:
 * ListenError. The caller holds the path's lock.
 */
export async function clearPath(path: string, ownUid: number, scheduler: Scheduler): Promise<void> {
  const found = lookAt(path);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new ListenError(
      `--unix-socket: ${path} is a ${kindOf(found)}, not a socket; move it away, or choose another path`,
    );
  }
  switch (await probe(path, scheduler)) {
    case "gone":
      return;
    case "live":
      throw new ListenError(
        `--unix-socket: another server is listening on ${path}; stop it, or choose another path for this one`,
      );
    case "unknown":
      throw new ListenError(`--unix-socket: ${path} is a socket that this user may not open; choose another path`);
    case "stale":
      if (ownUid !== 0 && found.uid !== BigInt(ownUid)) {
        throw new ListenError(
          `--unix-socket: ${path} is a socket that uid ${found.uid} left behind; remove it, or choose another path`,
        );
      }
      unlinkSync(path);
  }
}

/** What is there, without following links. */
export function lookAt(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

function kindOf(found: BigIntStats): string {
  if (found.isSymbolicLink()) return "symbolic link";
  if (found.isDirectory()) return "folder";
  return found.isFile() ? "file" : "special file";
}

type Probed = "live" | "stale" | "gone" | "unknown";

/** Errors that do not mean "live": a full backlog (EAGAIN) and a socket of another type (EPROTOTYPE) do. */
const PROBED: Readonly<Record<string, Probed>> = { ECONNREFUSED: "stale", ENOENT: "gone", EACCES: "unknown" };

function probe(path: string, scheduler: Scheduler): Promise<Probed> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const finish = (probed: Probed) => {
      timer[Symbol.dispose]();
      socket.destroy();
      resolve(probed);
    };
    const timer = scheduler.setTimer(() => finish("live"), PROBE_MS);
    socket.once("connect", () => finish("live"));
    socket.on("error", (error) => finish(PROBED[codeOf(error)] ?? "live"));
  });
}

/** One line for an error of the file system round the socket. */
export function describeFileFailure(path: string, error: unknown): string {
  const folder = dirname(path);
  switch (codeOf(error)) {
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return `--unix-socket: this user may not create files in ${folder}; give it the folder, or choose another path`;
    case "ENOTDIR":
      return `--unix-socket: a part of ${folder} is not a folder; choose another path`;
    case "ENOSPC":
    case "EDQUOT":
      return `--unix-socket: there is no space for ${path}; make some, or choose another path`;
    default:
      return `--unix-socket: cannot listen on ${path}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
