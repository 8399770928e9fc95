/**
 * Runs the task once for all calls that ask for it in a while; the first of them says how long that is. What is asked
 * for while the task runs is done after it: two of them never run at once, so none can overtake the other.
 */
export function createSoon(task: () => void | Promise<void>): (delayMs: number) => void {
  let state: "idle" | "planned" | "running" = "idle";
  let nextMs: number | undefined;
  const run = async () => {
    state = "running";
    nextMs = undefined;
    try {
      await task();
    } finally {
      state = "idle";
      if (nextMs !== undefined) soon(nextMs);
    }
  };
  const soon = (delayMs: number) => {
    if (state === "running") nextMs ??= delayMs;
    if (state !== "idle") return;
    state = "planned";
    setTimeout(run, delayMs);
  };
  return soon;
}
