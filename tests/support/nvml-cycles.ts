/** Opens the scripted library so many times, waits for a round, closes it, and prints what is left open in the end. */
import { readdirSync } from "node:fs";
import { nvmlShim } from "../../src/native/nvml.ts";

const shim = nvmlShim();

async function cycle(): Promise<void> {
  const handle = shim.open({ driverRoot: "dist/native/fake", periodMs: 10, events: true });
  while (handle.takeRound() === undefined) await Bun.sleep(1);
  handle.stop();
  while (!handle.close()) await Bun.sleep(1);
}

const count = (what: string) => readdirSync(`/proc/self/${what}`).length;

for (let i = 0; i < 5; i++) await cycle();
const before = { fds: count("fd"), threads: count("task") };
for (let i = 0; i < Number(process.argv[2]); i++) await cycle();
console.log(JSON.stringify({ fds: count("fd") - before.fds, threads: count("task") - before.threads }));
