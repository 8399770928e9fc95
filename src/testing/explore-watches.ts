import type { PlainWriter, Step } from "./commands.ts";
import { ROOM, UNBOUNDED_BYTES, type WatchCommand, WatchRun } from "./watch-run.ts";

/** Every state that two objects, two watchers and a history of three events can reach. */

const NAMES = ["a", "b"];
const WATCHERS = [0, 1];
const LIMITS = { events: 3, bytes: UNBOUNDED_BYTES };
const ROOT: PlainWriter = { identity: "uid:0", superuser: true, id: "" };

export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  /** How many states were first met after so many commands. */
  readonly byDepth: readonly number[];
}

/** Plays every command in every state, up to `depth` commands deep. Throws where a promise is broken, with the path. */
export function exploreWatches(depth: number): Exploration {
  const seen = new Set<number | bigint>();
  let frontier: (readonly WatchCommand[])[] = [[]];
  const byDepth: number[] = [];
  let transitions = 0;
  for (let level = 0; level <= depth; level++) {
    const reached: (readonly WatchCommand[])[] = [];
    for (const path of frontier) {
      const { key, next } = arrive(path, level < depth);
      transitions++;
      const hash = Bun.hash(key);
      if (seen.has(hash)) continue;
      seen.add(hash);
      byDepth[level] = (byDepth[level] ?? 0) + 1;
      for (const command of next) reached.push([...path, command]);
    }
    frontier = reached;
  }
  return { states: seen.size, transitions, byDepth };
}

/** Plays the path from the start, checks everything, and says where it led. */
function arrive(path: readonly WatchCommand[], goOn: boolean): { key: string; next: readonly WatchCommand[] } {
  using run = new WatchRun(LIMITS, () => {});
  try {
    for (const command of path) run.play(command);
    const key = keyOf(run);
    const next = goOn ? commandsIn(run) : [];
    // Refused watches and the end of the run leave the key as it is: each state is asked for all of them.
    for (const back of [-1, 4]) run.play({ do: "open", opening: { watcher: 9, back, room: ROOM } });
    run.finish();
    return { key, next };
  } catch (error) {
    const steps = path.map((command) => JSON.stringify(command)).join("\n");
    throw new Error(`${error instanceof Error ? error.message : error}\nafter\n${steps}`);
  }
}

/**
 * The state with versions counted back from the present one, as far as it decides what happens next: which GPUs there
 * are, how far the history reaches and what came last, where each of the two watchers stands (they are alike), and
 * whether a turn is due. What was sent on the way here has been checked already.
 */
function keyOf(run: WatchRun): string {
  const age = (version: number) => run.version - version;
  const gpus = run.gpus.map(({ name }) => name);
  const last = run.at(run.version);
  const history = [run.version - run.oldestCursor, last?.type, last?.gpu.name];
  const watchers = WATCHERS.map((place) => {
    const consumer = run.consumers.get(place);
    if (consumer === undefined || consumer.cancelled || consumer.outcome !== undefined) return "none";
    const unseen = consumer.unseen.length;
    const behind = Math.min(age(consumer.cursor), LIMITS.events + 1);
    return JSON.stringify([behind, unseen, consumer.blocked ? "blocked" : Math.min(consumer.room, 2)]);
  });
  return JSON.stringify([gpus, history, watchers.sort(), run.turnPending]);
}

function commandsIn(run: WatchRun): readonly WatchCommand[] {
  const toggles = NAMES.map((name) => toggle(run, name));
  const deletions = run.gpus.map(({ name }): Step => ({ do: "unregister", as: ROOT, name }));
  const writes = [...toggles, ...deletions].map((step) => [step]);
  const transactions = [...writes, toggles, ...(deletions.length > 1 ? [deletions] : [])];
  return [
    ...transactions.map((steps): WatchCommand => ({ do: "write", write: { do: "write", steps } })),
    ...(run.turnPending ? [{ do: "turn" } as const] : []),
    ...WATCHERS.flatMap((watcher) => commandsOf(run, watcher)),
  ];
}

/** Registers an absent GPU; turns the verdict on a present one. */
function toggle(run: WatchRun, name: string): Step {
  const ready = run.gpus.find((gpu) => gpu.name === name)?.conditions[0];
  const status = ready?.status === "True" ? "False" : "True";
  const condition = { type: "Ready", status, reason: "", message: "" } as const;
  if (ready !== undefined) return { do: "condition", as: ROOT, name, condition };
  return { do: "register", as: ROOT, name, uuid: "", status: { conditions: [condition], action: "" } };
}

function commandsOf(run: WatchRun, watcher: number): readonly WatchCommand[] {
  const consumer = run.consumers.get(watcher);
  if (consumer === undefined || consumer.cancelled || consumer.outcome !== undefined) {
    // Watchers are alike: the second place is taken when the first one is.
    const first = run.consumers.get(0);
    const firstIsFree = first === undefined || first.cancelled || first.outcome !== undefined;
    if (watcher === 1 && firstIsFree) return [];
    const backs = [undefined, 0, 1, 2, 3].filter(
      (back) => back === undefined || back <= run.version - run.oldestCursor,
    );
    return backs.flatMap((back) =>
      [1, ROOM].map((room): WatchCommand => {
        const opening = back === undefined ? { watcher, room } : { watcher, room, back };
        return { do: "open", opening };
      }),
    );
  }
  if (consumer.blocked) {
    const resumes = [1, ROOM].map((room): WatchCommand => ({ do: "resume", watcher, room }));
    return [...resumes, { do: "cancel", watcher }];
  }
  return [{ do: "cancel", watcher }, ...(consumer.room > 1 ? [{ do: "stall", watcher, after: 1 } as const] : [])];
}
