import type { HistoryLimits } from "../store/history.ts";
import type { Command, PlainWriter, Step } from "./commands.ts";
import type { Prng } from "./prng.ts";
import { type Opening, ROOM, UNBOUNDED_BYTES, type WatchCommand } from "./watch-run.ts";

const COMMANDS = { write: 42, turn: 18, open: 14, stall: 9, resume: 10, cancel: 4, held: 3 };
const NAMES = ["gpu-1", "gpu-2", "gpu-10"];
const WRITERS: readonly PlainWriter[] = ["a", "b"].map((id) => ({ identity: "uid:0", superuser: true, id }));

export interface WatchHistory {
  readonly limits: HistoryLimits;
  readonly commands: readonly WatchCommand[];
}

/** More watchers than are served in one turn. */
const CROWD = 600;

/** 1 to 16 watchers over a history that is soon too short for those that stall; now and then a crowd beside them. */
export function generateWatches(prng: Prng, length: number): WatchHistory {
  const watchers = 1 + prng.below(16);
  // An event has some 100 to 200 bytes; every fourth run is bounded by bytes first.
  const bytes = prng.chance(25) ? 150 + prng.below(1_500) : UNBOUNDED_BYTES;
  const limits = { events: 1 + prng.below(12), bytes };
  const crowd = prng.below(1_000) === 0 ? CROWD : 0;
  const openings = Array.from({ length: crowd }, (_, i): WatchCommand => {
    return { do: "open", opening: { watcher: watchers + i, room: ROOM } };
  });
  return { limits, commands: [...openings, ...Array.from({ length }, () => generateCommand(prng, watchers))] };
}

function generateCommand(prng: Prng, watchers: number): WatchCommand {
  const watcher = prng.below(watchers);
  switch (prng.weighted(COMMANDS)) {
    case "write":
      return { do: "write", write: generateWrite(prng) };
    case "turn":
      return { do: "turn" };
    case "open":
      return { do: "open", opening: generateOpening(prng, watcher) };
    case "stall":
      return { do: "stall", watcher, after: 1 + prng.below(4) };
    case "resume":
      return { do: "resume", watcher, room: prng.chance(50) ? ROOM : 1 + prng.below(4) };
    case "cancel":
      return prng.chance(50) ? { do: "cancel", watcher } : { do: "cancel", watcher, after: 1 + prng.below(3) };
    case "held": {
      const opening = Array.from({ length: prng.below(3) }, (_, i) =>
        generateOpening(prng, (watcher + i) % watchers),
      ).filter(({ back }) => back === undefined || back === 0);
      return { do: "write", write: { ...generateWrite(prng), heldMs: 10 }, opening };
    }
  }
}

function generateOpening(prng: Prng, watcher: number): Opening {
  const room = prng.chance(60) ? ROOM : 1 + prng.below(5);
  if (prng.chance(50)) return { watcher, room };
  return { watcher, room, back: prng.pick([0, 0, 1, 2, 3, 5, 8, 12, 13, 30, -1, -5]) };
}

function generateWrite(prng: Prng): Extract<Command, { do: "write" }> {
  const steps = Array.from({ length: prng.chance(70) ? 1 : 2 + prng.below(4) }, () => generateStep(prng));
  return prng.chance(6) ? { do: "write", steps, throws: true } : { do: "write", steps };
}

/** Registers first, for an update of an unknown name would change nothing. */
function generateStep(prng: Prng): Step {
  const as = prng.pick(WRITERS);
  const name = prng.pick(NAMES);
  const condition = {
    type: prng.pick(["Ready", "XidError"]),
    status: prng.pick(["True", "False"] as const),
    reason: prng.pick(["", "r"]),
    message: "",
  };
  if (prng.chance(12)) return { do: "unregister", as, name };
  if (prng.chance(45)) return { do: "condition", as, name, condition };
  return { do: "register", as, name, uuid: "", status: { conditions: [condition], action: "" } };
}
