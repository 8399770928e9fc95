/** Runs the task once for all calls that ask for it in a while; the first of them says how long that is. */
export function createSoon(task: () => void): (delayMs: number) => void {
  let planned = false;
  return (delayMs) => {
    if (planned) return;
    planned = true;
    setTimeout(() => {
      planned = false;
      task();
    }, delayMs);
  };
}
