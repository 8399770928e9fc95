import { once } from "node:events";
import { connect, createClientset } from "device-api-client";
import { runProgram } from "../program.ts";
import { startCordonLog } from "./cordon-log.ts";

/** Cordons in a log until Ctrl-C; also over restarts of the server. */
await runProgram(async (signal) => {
  await using connection = connect();
  await using controller = await startCordonLog(createClientset(connection), console.log, signal);
  console.log(`schedulable: ${controller.schedulable.join(" ")}`);
  if (!signal.aborted) await once(signal, "abort");
  console.log(`schedulable at the end: ${controller.schedulable.join(" ")}`);
});
