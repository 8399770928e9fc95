import { printable } from "../base/log-text.ts";
import type { Connection } from "../client/connection/connection.ts";
import type { WatchGpusResponse } from "../gen/device/v1alpha1/gpu_pb.ts";
import { type BoolFlag, quoted, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { dial, HELP_FLAG, TARGET_FLAG, targetOf, timeoutFlag } from "./client-flags.ts";
import { explainRpcError } from "./failure.ts";
import { keepFollowing } from "./follow.ts";
import { GpuFeed } from "./gpu-feed.ts";
import { commandHelp, PROGRAM } from "./help.ts";
import { type Command, type CommandIo, EXIT_OK } from "./io.ts";
import { gpuRow } from "./render/gpu-rows.ts";
import { paintFor } from "./render/paint.ts";
import { renderStatus } from "./render/status-text.ts";
import { cell, renderRow, widthsOf } from "./render/table.ts";
import { showStatusScreen } from "./status-screen.ts";

const FOLLOW_FLAG: BoolFlag = {
  kind: "bool",
  default: false,
  help: "stay, and show every change; on a terminal in place, Ctrl-C ends it",
  group: "Flags",
  variable: "",
  short: "f",
};
const FLAGS = { follow: FOLLOW_FLAG, target: TARGET_FLAG, timeout: timeoutFlag(10), help: HELP_FLAG } as const;

const EVENTS_SHOWN = 10;

export const statusCommand: Command = {
  name: "status",
  usage: "",
  summary: "show the node at a glance: how many GPUs are well, which are not, and what changed last",
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseFlags(FLAGS, args, io.env);
  if (values.help) return await commandHelp(statusCommand, io);
  if (positionals[0] !== undefined) throw new UsageError(`status: unexpected argument ${quoted(positionals[0])}`);
  const target = targetOf(values.target, io.env);
  await using client = await dial(target);
  const { timeout } = values;
  // A terminal without cursor control gets lines, as a file does.
  const terminal = io.env["TERM"] === "dumb" ? undefined : io.terminal;
  try {
    if (values.follow && terminal !== undefined) await showStatusScreen(io, terminal, client, timeout);
    else if (values.follow) await followInLines(io, client, timeout);
    else await showOnce(io, client, timeout);
    return EXIT_OK;
  } catch (error) {
    throw explainRpcError(error, target);
  }
}

async function showOnce(io: CommandIo, client: Connection, timeoutMs: number): Promise<void> {
  const feed = new GpuFeed(client);
  await feed.list(EVENTS_SHOWN, { timeoutMs });
  await print(io, client, feed);
}

/** False where nobody reads any more. */
async function print(io: CommandIo, client: Connection, feed: GpuFeed): Promise<boolean> {
  const model = { target: client.target.shown, gpus: feed.gpus, events: feed.events, trouble: "" };
  return await io.print(renderStatus(model, { nowMs: io.clock.wallUs() / 1_000, paint: paintFor(io) }));
}

/**
 * The present state, and then a line for each change, until it is interrupted or nobody reads any more. A server that
 * is gone is said, and dialled again; only one that was never there is an error.
 */
async function followInLines(io: CommandIo, client: Connection, timeoutMs: number): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  io.onSignal(() => stop.abort());
  io.onReaderGone(() => stop.abort());
  const feed = new GpuFeed(client);
  const version = await feed.list(EVENTS_SHOWN, { timeoutMs });
  if (!(await print(io, client, feed))) return;
  const render = lineRenderer(io);
  const parts = { client, feed, scheduler: io.scheduler, events: EVENTS_SHOWN, timeoutMs, signal };
  let trouble = "";
  const listener = {
    async onList() {
      trouble = "";
      await io.complain(`${PROGRAM}: changes may have been missed; this is the state now`);
      if (!(await print(io, client, feed))) stop.abort();
    },
    async onEvent(event: WatchGpusResponse) {
      if (!(await io.print(render(event)))) stop.abort();
    },
    /** Once, however often it is tried. */
    async onTrouble(words: string) {
      if (words !== trouble) await io.complain(printable(`${PROGRAM}: trying again: ${words}`));
      trouble = words;
    },
  };
  await keepFollowing({ ...parts, ...listener }, version);
}

/** Rows come one by one, so the widths are guessed; what is longer widens its column. */
const WIDTHS: readonly number[] = [20, 8, 6, 7, 12];

function lineRenderer(io: CommandIo): (event: WatchGpusResponse) => string {
  const paint = paintFor(io);
  let widths = WIDTHS;
  return ({ type, object }) => {
    const nowMs = io.clock.wallUs() / 1_000;
    const at = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
    // Without the age: the line has its time.
    const gpu = object === undefined ? [] : gpuRow(object, { nowMs, paint, wide: false }).slice(0, -1);
    const row = [at, cell(type), ...gpu];
    widths = widthsOf([row], widths);
    return `${renderRow(row, widths)}\n`;
  };
}
