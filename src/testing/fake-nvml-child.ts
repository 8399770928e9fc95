/**
 * Calls functions of a libnvidia-ml.so.1 one after the other: `bun fake-nvml-child.ts LIBRARY FUNCTION...`, each with
 * the handle of GPU 0 where it takes one. Prints each code; a test sees by its end how a call ended the process.
 */
import { dlopen, type FFIFunction } from "bun:ffi";

type Functions = Record<string, ((...arguments_: readonly unknown[]) => unknown) | undefined>;

const [library = "", ...names] = process.argv.slice(2);
const NO_DEVICE = new Set(["nvmlInit_v2", "nvmlShutdown"]);

const symbols: Record<string, FFIFunction> = {
  nvmlDeviceGetHandleByIndex_v2: { args: ["u32", "buffer"], returns: "u32" },
};
for (const name of names) {
  symbols[name] = { args: NO_DEVICE.has(name) ? [] : ["u64", "buffer", "buffer"], returns: "u32" };
}
// The names are known only now, so that the types of their arguments are not.
const nvml = dlopen(library, symbols).symbols as unknown as Functions;
const first = new BigUint64Array(1);
const out = [new Uint8Array(4096), new Uint8Array(4096)];
for (const name of names) {
  if (!NO_DEVICE.has(name)) nvml.nvmlDeviceGetHandleByIndex_v2?.(0, first);
  const code = NO_DEVICE.has(name) ? nvml[name]?.() : nvml[name]?.(first[0], ...out);
  process.stdout.write(`${name} ${code}\n`);
}
