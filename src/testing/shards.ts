import type { RunSettings } from "./run-settings.ts";

/** Two cores are what the smallest machine has. */
const SHARDS = 2;

interface Shard {
  readonly seed: number;
  readonly runs: number;
  readonly index: number;
}

export interface ShardResult {
  /** How often each thing came up. */
  readonly counts: Readonly<Record<string, number>>;
  /** What the first failing run says; the others of its shard are not played. */
  readonly failures: readonly string[];
}

/** One run, played from its own seed; returns what is wrong, if anything. */
export type Play = (seed: number, run: number, count: (what: string, times?: number) => void) => string | undefined;

/** In the worker: plays every run of a shard that is asked for. */
export function serveShard(play: Play): void {
  addEventListener("message", (message: MessageEvent<Shard>) => postMessage(playShard(play, message.data)));
}

function playShard(play: Play, { seed, runs, index }: Shard): ShardResult {
  const counts: Record<string, number> = {};
  const count = (what: string, times = 1) => {
    counts[what] = (counts[what] ?? 0) + times;
  };
  for (let run = index; run < runs; run += SHARDS) {
    count("runs");
    const failure = play(seed + run, run, count);
    if (failure !== undefined) return { counts, failures: [`run ${run} of seed ${seed}: ${failure}`] };
  }
  return { counts, failures: [] };
}

/** In the test: plays `runs`, multiplied by the settings' scale, in worker threads. */
export async function runShards(worker: URL, runs: number, { seed, scale }: RunSettings): Promise<ShardResult> {
  const shards = Array.from({ length: SHARDS }, (_, index) => ({ seed, runs: Math.ceil(runs * scale), index }));
  const results = await Promise.all(shards.map((shard) => runShard(worker, shard)));
  const counts: Record<string, number> = {};
  for (const result of results) {
    for (const [what, times] of Object.entries(result.counts)) counts[what] = (counts[what] ?? 0) + times;
  }
  return { counts, failures: results.flatMap(({ failures }) => failures) };
}

async function runShard(worker: URL, shard: Shard): Promise<ShardResult> {
  const thread = new Worker(worker);
  const { promise, resolve, reject } = Promise.withResolvers<ShardResult>();
  thread.onmessage = (message: MessageEvent<ShardResult>) => resolve(message.data);
  thread.onerror = (event) => reject(new Error(`a worker of the test failed: ${event.message}`));
  thread.postMessage(shard);
  try {
    return await promise;
  } finally {
    thread.terminate();
  }
}

/** One line on what was played. */
export function describeCounts(counts: ShardResult["counts"]): string {
  return Object.entries(counts)
    .map(([what, times]) => `${what} ${times}`)
    .join(", ");
}
