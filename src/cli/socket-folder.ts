import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname, join, normalize } from "node:path";

/** The folder was left as it was. The message is one line with the reason. */
export class SocketFolderError extends Error {
  override readonly name = "SocketFolderError";
}

export interface FolderOwner {
  readonly uid: number;
  readonly gid: number;
  /** The uid this process runs as. */
  readonly callerUid: number;
}

/**
 * The owner makes files, the group passes, others do not. The set-group-ID bit gives each socket the folder's group, so
 * that the server has to be in no group but its own.
 */
export const FOLDER_MODE = 0o2750;

/** Opens a folder as a place, without the right to read it; the same number on x86_64 and aarch64. */
const O_PATH = 0o10000000;
const MODE_BITS = 0o7777;
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;
/** Enough to recognise the folder by. */
const STRANGERS_NAMED = 3;

/**
 * Gives a folder to an owner and a group; makes it where only it is missing. Takes no other right than CAP_CHOWN. A
 * folder that holds anything but sockets is somebody's home, a mistake in a value, and is refused, as are symbolic
 * links, folders of third parties, and places at which somebody else could exchange the folder. Throws
 * SocketFolderError.
 */
export function prepareSocketFolder(path: string, owner: FolderOwner): void {
  if (!path.startsWith("/") || normalize(path) !== path || path.endsWith("/")) {
    throw new SocketFolderError(`${JSON.stringify(path)} is not the plain absolute path of a folder`);
  }
  try {
    checkWayTo(path, owner.callerUid);
    const fd = openFolder(path);
    try {
      give(path, `/proc/self/fd/${fd}`, fd, owner);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof SocketFolderError) throw error;
    throw new SocketFolderError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Whoever can write in a folder on the way could put another one in the place of the one that we look at. */
function checkWayTo(path: string, callerUid: number): void {
  let at = realpathSync(dirname(path));
  for (;;) {
    const { uid, mode } = statSync(at);
    if (uid !== 0 && uid !== callerUid) throw new SocketFolderError(`${path}: ${at} above it belongs to uid ${uid}`);
    if ((mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0) {
      throw new SocketFolderError(`${path}: ${at} above it may be written by others than its owner`);
    }
    if (at === "/") return;
    at = dirname(at);
  }
}

/** A descriptor, so that every step is done to one and the same folder. */
function openFolder(path: string): number {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) mkdirSync(path, 0o700);
  else if (found.isSymbolicLink()) throw new SocketFolderError(`${path} is a symbolic link`);
  else if (!found.isDirectory()) throw new SocketFolderError(`${path} is not a folder`);
  return openSync(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
}

function give(path: string, self: string, fd: number, owner: FolderOwner): void {
  const { uid, gid, callerUid } = owner;
  const found = fstatSync(fd);
  if (isGiven(found, owner)) return;
  if (found.uid !== uid) {
    if (found.uid !== callerUid) {
      const owner = `${path} belongs to uid ${found.uid}, neither to this process nor to uid ${uid}`;
      throw new SocketFolderError(`${owner}; remove it if it is an earlier server's, or choose another`);
    }
    refuseStrangers(path, self);
  }
  // First back to us: then the mode is the owner's to set, which takes no further capability.
  chownSync(self, callerUid, gid);
  chmodSync(self, FOLDER_MODE);
  chownSync(self, uid, gid);
  const now = fstatSync(fd);
  if (isGiven(now, owner)) return;
  const left = `uid ${now.uid}, gid ${now.gid}, mode ${(now.mode & MODE_BITS).toString(8)}`;
  throw new SocketFolderError(`${path} has ${left} after the change; is this process in group ${gid}?`);
}

function isGiven(found: Stats, { uid, gid }: FolderOwner): boolean {
  return found.uid === uid && found.gid === gid && (found.mode & MODE_BITS) === FOLDER_MODE;
}

function refuseStrangers(path: string, self: string): void {
  const strangers = readdirSync(self).filter((name) => !isOurs(name, lstatSync(join(self, name))));
  if (strangers.length === 0) return;
  const named = strangers.slice(0, STRANGERS_NAMED).map((name) => JSON.stringify(name));
  const more = strangers.length > STRANGERS_NAMED ? ", …" : "";
  throw new SocketFolderError(
    `${path} holds more than sockets (${named.join(", ")}${more}): choose a folder of its own for them`,
  );
}

/** Sockets, and what a server that was killed may have left beside them. */
function isOurs(name: string, found: Stats): boolean {
  if (found.isSocket()) return true;
  if (found.isFile()) return name.endsWith(".lock") && found.size === 0;
  return found.isDirectory() && name.startsWith(".das-");
}
