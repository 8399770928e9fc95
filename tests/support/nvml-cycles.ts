/** Opens the scripted library so many times, waits for a round, closes it, and prints what is left open in the end. */
import { nvmlShim } from "../../src/native/nvml.ts";
import { heldBy } from "./held.ts";

const shim = nvmlShim();

async function cycle(): Promise<void> {
  const handle = shim.open({ driverRoot: "dist/native/fake", periodMs: 10, events: true });
  while (handle.takeRound() === undefined) await Bun.sleep(1);
  handle.stop();
  while (!handle.close()) await Bun.sleep(1);
}

for (let i = 0; i < 5; i++) await cycle();
const before = await heldBy("self");
for (let i = 0; i < Number(process.argv[2]); i++) await cycle();
const after = await heldBy("self");
console.log(JSON.stringify({ fds: after.fds - before.fds, threads: after.threads - before.threads }));
