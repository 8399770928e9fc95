import { connect, createClientset, isExpired } from "device-api-client";
import { lineOf } from "../gpu-lines.ts";
import { runProgram } from "../program.ts";

/** Shows every change from now on, each once and in order, until Ctrl-C. */
await runProgram(async (signal) => {
  await using connection = connect();
  const gpus = createClientset(connection).deviceV1alpha1().gpus();
  while (!signal.aborted) {
    const { items, resourceVersion } = await gpus.list({ signal });
    console.log(`${items.length} GPUs; waiting for changes`);
    try {
      for await (const { type, object } of gpus.watch({ resourceVersion, signal })) {
        console.log(`${type} ${lineOf(object)}`);
      }
    } catch (error) {
      // This program was too slow for the server's history: what was missed shows in the next list.
      if (!isExpired(error)) throw error;
    }
  }
});
