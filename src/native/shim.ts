import libraryPath from "../../dist/native/libdevice_api_shim.so" with { type: "file" };
import { loadEmbeddedLibrary } from "./load-library.ts";

/** What the kernel says of the process at the other end of a unix socket, as it was when it connected. */
export interface PeerCredentials {
  /** 0 where the process is not visible from our pid namespace. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** All supplementary groups; none is ever left out. */
  readonly groups: readonly number[];
}

export interface Shim {
  /** Throws ShimError where the descriptor is no connected unix socket. */
  peerOf(fd: number): PeerCredentials;
  /** Takes the exclusive lock of an open file (flock); false where somebody has it. It goes with the descriptor. */
  tryLock(fd: number): boolean;
  /**
   * Sends a datagram to a unix socket, given by its path or, with "@" first, by its abstract name; never waits. Throws
   * ShimError where nobody can take it.
   */
  sendDatagram(address: string, message: string): void;
}

/** A question to the kernel failed, or the library is not the one that this program was built with. */
export class ShimError extends Error {
  override readonly name = "ShimError";
}

/** The counterpart of zig/src/abi.zig. */
const ABI_VERSION = 2;
const PEER_BYTES = 12;

const SYMBOLS = {
  das_abi_version: { args: [], returns: "u32" },
  das_peer_size: { args: [], returns: "u32" },
  das_peer_of: { args: ["i32", "buffer"], returns: "i32" },
  das_peer_groups: { args: ["i32", "buffer", "u32"], returns: "i32" },
  das_try_lock: { args: ["i32"], returns: "i32" },
  das_send_datagram: { args: ["buffer", "u32", "buffer", "u32"], returns: "i32" },
} as const;

/** The exports of zig/src/root.zig, where they are described. Negative results are negated errnos. */
export interface ShimLibrary {
  das_abi_version(): number;
  das_peer_size(): number;
  das_peer_of(fd: number, out: DataView): number;
  das_peer_groups(fd: number, out: Uint32Array, capacity: number): number;
  das_try_lock(fd: number): number;
  das_send_datagram(address: Uint8Array, addressBytes: number, message: Uint8Array, messageBytes: number): number;
}

/** Enough for nearly every user; who is in more costs a second call. */
const GROUPS_USUAL = 256;
/** NGROUPS_MAX of Linux. */
const GROUPS_MAX = 65_536;
const EAGAIN = 11;
const ERANGE = 34;

let loaded: Shim | undefined;

/** The library, loaded at the first call. Throws ShimError where it does not fit this program. */
export function shim(): Shim {
  loaded ??= createShim(loadEmbeddedLibrary(libraryPath, SYMBOLS).symbols);
  return loaded;
}

/** Over the library's functions; a parameter so that a test can put others in their place. */
export function createShim(library: ShimLibrary): Shim {
  checkFit("version", library.das_abi_version(), ABI_VERSION);
  checkFit("peer struct size", library.das_peer_size(), PEER_BYTES);
  const peer = new DataView(new ArrayBuffer(PEER_BYTES));
  const usualGroups = new Uint32Array(GROUPS_USUAL);
  return {
    peerOf(fd) {
      check("das_peer_of", library.das_peer_of(fd, peer));
      return {
        pid: peer.getInt32(0, true),
        uid: peer.getUint32(4, true),
        gid: peer.getUint32(8, true),
        groups: readGroups(library, fd, usualGroups),
      };
    },
    tryLock(fd) {
      const result = library.das_try_lock(fd);
      if (result === -EAGAIN) return false;
      check("das_try_lock", result);
      return true;
    },
    sendDatagram(address, message) {
      const to = Buffer.from(address);
      const bytes = Buffer.from(message);
      check("das_send_datagram", library.das_send_datagram(to, to.length, bytes, bytes.length));
    },
  };
}

function readGroups(library: ShimLibrary, fd: number, usual: Uint32Array): number[] {
  let groups = usual;
  let count = library.das_peer_groups(fd, groups, groups.length);
  if (count === -ERANGE) {
    groups = new Uint32Array(GROUPS_MAX);
    count = library.das_peer_groups(fd, groups, groups.length);
  }
  check("das_peer_groups", count);
  return Array.from(groups.subarray(0, count));
}

function checkFit(what: string, found: number, wanted: number): void {
  if (found === wanted) return;
  throw new ShimError(`the native library has ${what} ${found}, this program needs ${wanted}: build both anew`);
}

function check(call: string, result: number): void {
  if (result < 0) throw new ShimError(`${call} failed with errno ${-result}`);
}
