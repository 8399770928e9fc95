import { dlopen } from "bun:ffi";
import { LIBC } from "./load-library.ts";

/** struct pollfd: int fd, short events, short revents. */
const POLLFD_BYTES = 8;
const REVENTS_OFFSET = 6;
const POLLERR = 0x08;
const POLLHUP = 0x10;

/**
 * Looks whether somebody still reads what is written to the descriptor, without writing: false where the other end of
 * a pipe, a socket or a terminal is closed. A file always has a reader.
 */
export function createReaderLook(fd: number): () => boolean {
  const { poll } = dlopen(LIBC, { poll: { args: ["buffer", "u64", "i32"], returns: "i32" } }).symbols;
  const entry = new DataView(new ArrayBuffer(POLLFD_BYTES));
  entry.setInt32(0, fd, true);
  return () => {
    const count = poll(entry, 1n, 0);
    return count <= 0 || (entry.getInt16(REVENTS_OFFSET, true) & (POLLERR | POLLHUP)) === 0;
  };
}
