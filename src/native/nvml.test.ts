import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNvmlShim, type NvmlHandle, type NvmlLibrary, nvmlShim } from "./nvml.ts";
import { NVML_STAGE, NVML_STATE, type NvmlStatus, readNvmlPulse, readNvmlStatus } from "./nvml-abi.gen.ts";
import { ShimError } from "./shim.ts";

function statusOf(handle: NvmlHandle): NvmlStatus {
  const bytes = handle.status();
  return readNvmlStatus(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}

async function failed(driverRoot: string): Promise<NvmlStatus> {
  const handle = nvmlShim().open({ driverRoot, periodMs: 1_000, events: true });
  while (!handle.close()) await Bun.sleep(1);
  expect(() => handle.status()).toThrow(new ShimError("das_nvml_status failed with errno 9"));
  const again = nvmlShim().open({ driverRoot, periodMs: 1_000, events: true });
  while (statusOf(again).state === NVML_STATE.starting) await Bun.sleep(1);
  const status = statusOf(again);
  while (!again.close()) await Bun.sleep(1);
  return status;
}

async function withRoot(run: (root: string, library: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "root-"));
  const folder = join(root, "usr/lib/x86_64-linux-gnu");
  mkdirSync(folder, { recursive: true });
  await run(root, join(folder, "libnvidia-ml.so.1"));
  rmSync(root, { recursive: true });
}

test("a library with other structs is refused with what to do", () => {
  const other = { das_nvml_fingerprint: () => 7 } as NvmlLibrary;
  expect(() => createNvmlShim(other)).toThrow("the native library has NVML structs 7");
});

test("a root without a library fails with where the search went", async () => {
  const status = await failed("/nowhere");
  expect(status).toMatchObject({ state: NVML_STATE.failed, stage: NVML_STAGE.load, code: 0 });
  expect(status.message).toContain("searched /nowhere/{usr/lib64,usr/lib/x86_64-linux-gnu,");
});

test("an empty library fails with its path and the reason", async () => {
  await withRoot(async (root, library) => {
    writeFileSync(library, "");
    expect((await failed(root)).message).toStartWith(`${library}: file too short; `);
  });
});

test("a library without the functions fails with the first that it lacks", async () => {
  await withRoot(async (root, library) => {
    symlinkSync(join(import.meta.dir, "../../dist/native/libdevice_api_shim.so"), library);
    expect((await failed(root)).message).toStartWith(`${library} has no nvmlInit_v2; `);
  });
});

test("a driver root that is longer than a path may be is refused", () => {
  const options = { driverRoot: "x".repeat(5_000), periodMs: 1_000, events: true };
  expect(() => nvmlShim().open(options)).toThrow("das_nvml_open failed with errno 22");
});

test("a pulse outside of calls names none", async () => {
  const handle = nvmlShim().open({ driverRoot: "/nowhere", periodMs: 1_000, events: true });
  while (statusOf(handle).state === NVML_STATE.starting) await Bun.sleep(1);
  const bytes = handle.pulse();
  expect(readNvmlPulse(new DataView(bytes.buffer), 0)).toMatchObject({ samplerCall: 0, eventCall: 0 });
  expect(handle.takeRound()).toBeUndefined();
  expect(handle.takeEvents()).toMatchObject({ count: 0, complete: 0n });
  while (!handle.close()) await Bun.sleep(1);
});

test("100 starts and stops leave no descriptor and no thread", async () => {
  const count = () => [readdirSync("/proc/self/fd").length, readdirSync("/proc/self/task").length];
  const cycle = async () => {
    const handle = nvmlShim().open({ driverRoot: "dist/native/fake", periodMs: 10, events: true });
    handle.stop();
    while (!handle.close()) await Bun.sleep(1);
  };
  await cycle();
  const [fds = 0, threads = 0] = count();
  for (let i = 0; i < 100; i++) await cycle();
  const [fdsAfter = 0, threadsAfter = 0] = count();
  expect(fdsAfter).toBeLessThanOrEqual(fds + 1);
  // The runtime's own pool may have grown meanwhile.
  expect(threadsAfter).toBeLessThan(threads + 20);
});
