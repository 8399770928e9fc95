import { add, NOTHING, type Tally } from "./tally.ts";

/** Runs every item, so many at a time, in order of their beginning; gives the sum. */
export async function pooled<T>(items: readonly T[], width: number, run: (item: T) => Promise<Tally>): Promise<Tally> {
  const waiting = [...items];
  let sum = NOTHING;
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      const tally = await run(item);
      // Read after the wait: the other workers have added in the meantime.
      sum = add(sum, tally);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return sum;
}
