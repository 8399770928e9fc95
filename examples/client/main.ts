import { connect, createClientset, isNotFound } from "device-api-client";
import { lineOf } from "../gpu-lines.ts";
import { runProgram } from "../program.ts";

/** Reads all GPUs, and one: the argument's, or gpu-0. */
await runProgram(async (signal) => {
  await using connection = connect();
  const gpus = createClientset(connection).deviceV1alpha1().gpus();

  const { items } = await gpus.list({ signal });
  for (const gpu of items) console.log(lineOf(gpu));

  const name = process.argv[2] ?? "gpu-0";
  try {
    const gpu = await gpus.get(name, { signal, timeoutMs: 5_000 });
    console.log(`${name} has the UUID ${gpu.spec?.uuid}`);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    console.log(`there is no ${name} here: ${error.details}`);
  }
});
