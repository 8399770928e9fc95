import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createShim, ShimError, type ShimLibrary, shim } from "./shim.ts";

/** A library whose every answer is chosen. */
function fakeLibrary(answers: Partial<ShimLibrary>): ShimLibrary {
  return {
    das_abi_version: () => 2,
    das_peer_size: () => 12,
    das_peer_of: () => 0,
    das_peer_groups: () => 0,
    das_try_lock: () => 0,
    das_send_datagram: () => 0,
    ...answers,
  };
}

test("a library of another version is refused with what to do", () => {
  expect(() => createShim(fakeLibrary({ das_abi_version: () => 7 }))).toThrow(
    new ShimError("the native library has version 7, this program needs 2: build both anew"),
  );
});

test("a library whose struct has another size is refused", () => {
  expect(() => createShim(fakeLibrary({ das_peer_size: () => 1_040 }))).toThrow("peer struct size 1040");
});

test("a peer in more groups than usual is asked for again, and none is left out", () => {
  const capacities: number[] = [];
  const das_peer_groups = (_fd: number, out: Uint32Array, capacity: number) => {
    capacities.push(capacity);
    if (capacity < 300) return -34;
    for (let i = 0; i < 300; i++) out[i] = 5_000 + i;
    return 300;
  };
  const { groups } = createShim(fakeLibrary({ das_peer_groups })).peerOf(3);
  expect(capacities).toEqual([256, 65_536]);
  expect(groups).toEqual(Array.from({ length: 300 }, (_, i) => 5_000 + i));
});

test("a descriptor that is no socket has no peer", () => {
  const fd = openSync("/proc/self/status", "r");
  expect(() => shim().peerOf(fd)).toThrow(new ShimError("das_peer_of failed with errno 88"));
  closeSync(fd);
  expect(() => shim().peerOf(-1)).toThrow("errno 9");
});

test("a lock is held by one descriptor until that is closed", () => {
  const folder = mkdtempSync(join(tmpdir(), "shim-"));
  const path = join(folder, "lock");
  const first = openSync(path, "a");
  const second = openSync(path, "a");
  expect(shim().tryLock(first)).toBe(true);
  expect(shim().tryLock(second)).toBe(false);
  closeSync(first);
  expect(shim().tryLock(second)).toBe(true);
  closeSync(second);
  rmSync(folder, { recursive: true });
});

test("a datagram that nobody can take is an error with its number", () => {
  expect(() => shim().sendDatagram("/nowhere/notify", "READY=1")).toThrow(
    new ShimError("das_send_datagram failed with errno 2"),
  );
  expect(() => shim().sendDatagram("", "READY=1")).toThrow("errno 36");
});

test("the library is loaded once", () => {
  expect(shim()).toBe(shim());
});
