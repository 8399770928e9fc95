import { type SeenGpu, textOf } from "./gpu-register.ts";

export interface SeenEvent {
  readonly type: string;
  readonly name: string;
  readonly gpu: SeenGpu;
}

export interface SeenList {
  readonly version: number;
  /** By name, in the order of the list. */
  readonly gpus: ReadonlyMap<string, SeenGpu>;
}

/** Everything that was answered, with the places of invocation and return in the order of what was observed. */
export interface SeenAnswer {
  readonly invokedAt: number;
  readonly returnedAt: number;
  /** The highest version that the answer names; undefined if it names none. */
  readonly version: number | undefined;
  readonly list: SeenList | undefined;
}

/**
 * Whether a watch from a version on told every change once and in order, and every list is what its version says it is,
 * and no older than what had been answered before it was asked for. Returns what is wrong, if anything.
 */
export function whyNoSnapshots(
  start: number,
  events: readonly SeenEvent[],
  answers: readonly SeenAnswer[],
): string | undefined {
  const gap = events.findIndex(({ gpu }, i) => gpu.version !== start + 1 + i);
  if (gap >= 0) return `event ${gap} of the watch has version ${events[gap]?.gpu.version}, not ${start + 1 + gap}`;
  return whyNotWhatItSays(start, events, answers) ?? whyStale(answers);
}

function whyNotWhatItSays(start: number, events: readonly SeenEvent[], answers: readonly SeenAnswer[]) {
  const lists = answers.flatMap(({ list }) => list ?? []).sort((a, b) => a.version - b.version);
  const state = new Map<string, SeenGpu>();
  let version = start;
  for (const list of lists) {
    while (version < list.version) {
      const event = events[version - start];
      if (event === undefined) return `a list has version ${list.version}, and no event has`;
      if (event.type === "DELETED") state.delete(event.name);
      else state.set(event.name, event.gpu);
      version++;
    }
    const [is, shouldBe] = [textOfAll(list.gpus), textOfAll(new Map([...state].sort()))];
    if (is !== shouldBe) return `the list of version ${list.version} is ${is}; by the events it is ${shouldBe}`;
  }
  return undefined;
}

/** By real time: what was answered before somebody asked for a list is the least that the list has. */
function whyStale(answers: readonly SeenAnswer[]): string | undefined {
  const returned = answers.flatMap(({ returnedAt: at, version }) => (version === undefined ? [] : [{ at, version }]));
  returned.sort((a, b) => a.at - b.at);
  let [next, least] = [0, 0];
  for (const { invokedAt, list } of [...answers].sort((a, b) => a.invokedAt - b.invokedAt)) {
    for (; (returned[next]?.at ?? Number.POSITIVE_INFINITY) < invokedAt; next++) {
      least = Math.max(least, returned[next]?.version ?? 0);
    }
    if (list !== undefined && list.version < least) return `a list has version ${list.version} after one of ${least}`;
  }
  return undefined;
}

function textOfAll(gpus: ReadonlyMap<string, SeenGpu>): string {
  return [...gpus].map(([name, { version, conditions }]) => `${name}@${version} {${textOf(conditions)}}`).join("; ");
}
