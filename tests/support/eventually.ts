/** Waits for what happens in turns of their own; a limit against hangs. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within 20 s: ${what}`);
    await Bun.sleep(2);
  }
}
