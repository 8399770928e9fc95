import type { Scheduler } from "../base/clock.ts";
import type { Connection } from "../client/connection/connection.ts";
import { ApiError } from "../client/errors.ts";
import { sleep } from "../client/sleep.ts";
import type { WatchGpusResponse } from "../gen/device/v1alpha1/gpu_pb.ts";
import { explainRpcError } from "./failure.ts";
import type { GpuFeed } from "./gpu-feed.ts";

/** Between two attempts to reach a server that is gone. */
const RETRY_MS = 1_000;

export interface Following {
  readonly client: Connection;
  readonly feed: GpuFeed;
  readonly scheduler: Scheduler;
  /** How many events a new list takes along. */
  readonly events: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Each is waited for. The state was listed anew, and what came in between is in it. */
  onList(): unknown;
  onEvent(event: WatchGpusResponse): unknown;
  /** What is known may be old, for this reason; it is tried again. */
  onTrouble(words: string): unknown;
}

/**
 * Goes on from the version, and from a new list wherever that is not possible. Resolves when it is stopped; rejects
 * with what a listener throws.
 */
export async function keepFollowing(parts: Following, start: string): Promise<void> {
  const { client, feed, scheduler, events, timeoutMs, signal } = parts;
  let version: string | undefined = start;
  while (!signal.aborted) {
    try {
      if (version === undefined) {
        version = await feed.list(events, { timeoutMs, signal });
        await parts.onList();
      }
      await feed.follow(version, signal, (event) => parts.onEvent(event));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (signal.aborted) return;
      const explained = explainRpcError(error, client.target);
      await parts.onTrouble(explained instanceof Error ? explained.message : String(explained));
      await sleep(scheduler, RETRY_MS, signal);
    }
    version = undefined;
  }
}
