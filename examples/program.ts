import { ApiError } from "device-api-client";

/** Runs an example until it has finished, or Ctrl-C or SIGTERM asks it to. An error of the API is one line. */
export async function runProgram(main: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopping.abort());
  try {
    await main(stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted) return;
    if (!(error instanceof ApiError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
