import type { Connection } from "../client/connection/connection.ts";
import { sleep } from "../client/sleep.ts";
import { explainRpcError } from "./failure.ts";
import { GpuFeed } from "./gpu-feed.ts";
import type { CommandIo, Terminal } from "./io.ts";
import { paintFor } from "./render/paint.ts";
import { statusScreen } from "./render/status-text.ts";
import { Screen } from "./screen.ts";
import { Wakeup } from "./wakeup.ts";

/** Ages grow by the second. */
const REDRAW_MS = 1_000;
/** A burst of changes is one drawing. */
const GATHER_MS = 100;
/** Between two attempts to reach a server that is gone. */
const RETRY_MS = 1_000;
/** More than any screen has room for beside the GPUs. */
const EVENTS_SHOWN_MAX = 50;

/**
 * Shows the GPUs on the whole screen until it is interrupted. A server that is gone is said, and dialled again; only
 * one that was never there is an error.
 */
export async function showStatusScreen(
  io: CommandIo,
  terminal: Terminal,
  client: Connection,
  timeoutMs: number,
): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  const feed = new GpuFeed(client);
  const version = await feed.list(EVENTS_SHOWN_MAX, { timeoutMs });
  const wakeup = new Wakeup(io.scheduler);
  await using screen = new Screen(io, terminal, () => wakeup.up());
  let trouble = "";
  let isStale = false;
  const onChange = (words: string) => {
    trouble = words;
    isStale = true;
    wakeup.up();
  };
  io.onSignal(() => {
    // At once: a second signal ends the process.
    void screen.leave();
    stop.abort();
    wakeup.up();
  });
  const following = keepFollowing({ io, client, feed, timeoutMs, signal, onChange }, version);
  while (!signal.aborted) {
    if (isStale && trouble === "") {
      isStale = false;
      // Where it fails, the stream fails too, and says so.
      await feed.listEvents(EVENTS_SHOWN_MAX, { timeoutMs, signal }).catch(() => {});
      if (signal.aborted) break;
    }
    const model = { target: client.target.shown, gpus: feed.gpus, events: feed.events, trouble };
    const context = { nowMs: io.clock.wallUs() / 1_000, paint: paintFor(io) };
    if (!(await screen.draw(statusScreen(model, context, screen)))) stop.abort();
    await wakeup.sleep(REDRAW_MS);
    await sleep(io.scheduler, GATHER_MS, signal);
  }
  await following;
}

interface Following {
  readonly io: CommandIo;
  readonly client: Connection;
  readonly feed: GpuFeed;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Something changed; with what is wrong now, "" for nothing. */
  onChange(trouble: string): void;
}

/** Goes on from the version, and from a new list wherever that is not possible. Resolves when it is stopped. */
async function keepFollowing(parts: Following, start: string): Promise<void> {
  const { io, client, feed, timeoutMs, signal, onChange } = parts;
  let version: string | undefined = start;
  while (!signal.aborted) {
    try {
      version ??= await feed.list(EVENTS_SHOWN_MAX, { timeoutMs, signal });
      onChange("");
      await feed.follow(version, signal, () => onChange(""));
    } catch (error) {
      const explained = explainRpcError(error, client.target);
      onChange(`OLD, trying again: ${explained instanceof Error ? explained.message : explained}`);
      await sleep(io.scheduler, RETRY_MS, signal);
    }
    version = undefined;
  }
}
