import { dlopen, type FFIFunction, type Library } from "bun:ffi";
import { readFileSync, writeSync } from "node:fs";

/** The C library that the runtime itself is linked with. */
export const LIBC = "libc.so.6";
/** MFD_CLOEXEC: children get no part of it. */
const CLOSE_ON_EXEC = 1;

/**
 * Loads a shared library that the compiled binary carries. The runtime's own way copies it to the folder for temporary
 * files, which fails where that is read-only or not executable, and trusts a file that lies there already; so it is
 * loaded from memory that has no name in any folder. The descriptor stays open for the life of the process.
 */
export function loadEmbeddedLibrary<T extends Record<string, FFIFunction>>(path: string, symbols: T): Library<T> {
  const bytes = readFileSync(path);
  const fd = createMemoryFile(path);
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
  return dlopen(`/proc/self/fd/${fd}`, symbols);
}

function createMemoryFile(path: string): number {
  const libc = dlopen(LIBC, { memfd_create: { args: ["buffer", "u32"], returns: "i32" } });
  const fd = libc.symbols.memfd_create(Buffer.from("device-api-shim\0"), CLOSE_ON_EXEC);
  libc.close();
  if (fd < 0) throw new Error(`no memory file for ${path}: memfd_create failed; does a seccomp profile forbid it?`);
  return fd;
}
