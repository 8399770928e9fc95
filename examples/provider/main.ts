import { createInterface } from "node:readline";
import { connect, createClientset } from "device-api-client";
import { runProgram } from "../program.ts";

const GPU = "bench-0";
const LIMIT_C = 90;

/** A health monitor: reads temperatures, a line each, and reports on one GPU until the input or Ctrl-C ends it. */
await runProgram(async (signal) => {
  await using connection = connect({ userAgent: "example-monitor/1.0" });
  const provider = createClientset(connection).deviceV1alpha1().providers("example-monitor");
  let celsius: number | undefined;

  /** All that this provider has to say: at the start, after the server was restarted or had missed its heartbeats. */
  const report = async () => {
    await provider.register(GPU, { spec: { uuid: "GPU-00000000-0000-4000-8000-000000000b00" } }, { signal });
    await provider.updateStatus(GPU, statusAt(celsius), { signal });
  };
  console.log(`type the temperature of ${GPU}, ${LIMIT_C} is the limit`);
  {
    await using _ = provider.keepAlive({
      gpuNames: [GPU],
      onLost: report,
      onError: (error, failures) => console.error(`attempt ${failures}: ${error}`),
    });
    for await (const line of createInterface({ input: process.stdin, signal })) {
      celsius = Number.parseFloat(line);
      await report();
      console.log(`reported: ${statusAt(celsius).conditions[0]?.message}`);
    }
  }
  // Only now: no report is under way that would register it again.
  await provider.unregister(GPU);
  console.log(`${GPU} is gone`);
});

function statusAt(celsius: number | undefined) {
  const type = "CoolingHealthy";
  if (celsius === undefined || Number.isNaN(celsius)) {
    return { conditions: [{ type, status: "Unknown", reason: "NoReading", message: "no temperature was read" }] };
  }
  const message = `${celsius} °C, at most ${LIMIT_C}`;
  if (celsius <= LIMIT_C) return { conditions: [{ type, status: "True", reason: "Cool", message }] };
  return {
    conditions: [{ type, status: "False", reason: "TooHot", message }],
    recommendedAction: "CONTACT_SUPPORT",
  };
}
