import type { Connection } from "../client/connection/connection.ts";
import { sleep } from "../client/sleep.ts";
import { keepFollowing } from "./follow.ts";
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
  const parts = { client, feed, scheduler: io.scheduler, events: EVENTS_SHOWN_MAX, timeoutMs, signal };
  const onTrouble = (words: string) => onChange(`OLD, trying again: ${words}`);
  const following = keepFollowing(
    { ...parts, onList: () => onChange(""), onEvent: () => onChange(""), onTrouble },
    version,
  );
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
