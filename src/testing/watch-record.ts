import type { VisibleEvent, VisibleGpu } from "./commands.ts";

/** All that a watch was asked for, was sent and came to, as its consumer and the model saw it. */
export interface WatchRecord {
  readonly name: string;
  /** The version that the watch was to go on from; undefined for a snapshot. */
  readonly after: number | undefined;
  /** The model's version and list when the watch began. */
  readonly startVersion: number;
  readonly startList: readonly VisibleGpu[];
  readonly messages: readonly VisibleEvent[];
  /** `oldestCursor`: the version from which a watch could still go on when this one was ended. */
  readonly end: { readonly code: string; readonly oldestCursor: number } | undefined;
  readonly cancelled: boolean;
  /** The consumer has said no and not yet yes again. */
  readonly blocked: boolean;
}

/** What was committed, and what the history still holds. */
export interface CommittedLog {
  readonly version: number;
  readonly gpus: readonly VisibleGpu[];
  readonly oldestCursor: number;
  /** The event of a version. */
  at(version: number): VisibleEvent | undefined;
  /** The GPUs as they were at a version. */
  listAt(version: number): readonly VisibleGpu[];
}

type Validator = (record: WatchRecord, log: CommittedLog) => string | undefined;

const snapshotLength = ({ after, startList }: WatchRecord): number => (after === undefined ? startList.length : 0);

const snapshotOf = (record: WatchRecord) => record.messages.slice(0, snapshotLength(record));
const eventsOf = (record: WatchRecord) => record.messages.slice(snapshotLength(record));
const cursorOf = (record: WatchRecord): number =>
  eventsOf(record).at(-1)?.version ?? record.after ?? record.startVersion;

/** The promises of a watch, each checked by itself over the whole record. To be run when no turn is pending. */
const VALIDATORS: Readonly<Record<string, Validator>> = {
  "G1 ordered": (record) => {
    const versions = eventsOf(record).map(({ version }) => version);
    const back = versions.findIndex((version, i) => i > 0 && version <= (versions[i - 1] ?? 0));
    return back < 0 ? undefined : `${versions[back]} after ${versions[back - 1]}`;
  },

  "G2 unique": (record) => {
    const seen = new Set<string>();
    for (const { gpu, version } of record.messages) {
      const key = `${gpu.name} at ${version}`;
      if (seen.has(key)) return `${key} was sent twice`;
      seen.add(key);
    }
    return undefined;
  },

  "G3 reliable": (record, log) => {
    for (const event of eventsOf(record)) {
      const committed = log.at(event.version);
      if (!Bun.deepEquals(event, committed, true)) {
        return `sent ${Bun.inspect(event)}, committed ${Bun.inspect(committed)}`;
      }
    }
    const versions = eventsOf(record).map(({ version }) => version);
    const gap = versions.findIndex((version, i) => i > 0 && version !== (versions[i - 1] ?? 0) + 1);
    return gap < 0 ? undefined : `nothing between ${versions[gap - 1]} and ${versions[gap]}`;
  },

  "G4 resumable": (record) => {
    const from = record.after ?? record.startVersion;
    const [first] = eventsOf(record);
    if (first === undefined || first.version === from + 1) return undefined;
    return `the watch from ${from} begins with ${first.version}`;
  },

  "G6 snapshot": (record) => {
    if (record.after !== undefined) return undefined;
    const shown = snapshotOf(record);
    const expected = record.startList.slice(0, shown.length);
    const complete = record.cancelled || record.blocked || record.end !== undefined;
    if (!complete && shown.length !== record.startList.length) return `${shown.length} of ${record.startList.length}`;
    const wrong = shown.find(({ type }) => type !== "ADDED");
    if (wrong !== undefined) return `it begins with ${wrong.type}`;
    const gpus = shown.map(({ gpu }) => gpu);
    if (Bun.deepEquals(gpus, expected, true)) return undefined;
    return `shown ${Bun.inspect(gpus)}, listed ${Bun.inspect(expected)}`;
  },

  "G8 no silent loss": (record, log) => {
    if (record.cancelled) return undefined;
    const cursor = cursorOf(record);
    if (record.end !== undefined) {
      if (record.end.code !== "OUT_OF_RANGE") return `ended with ${record.end.code}`;
      if (cursor >= record.end.oldestCursor) return `ended at ${cursor}, with history from ${record.end.oldestCursor}`;
      return undefined;
    }
    if (cursor < log.oldestCursor) return `overtaken at ${cursor}, history from ${log.oldestCursor}, and still open`;
    if (!record.blocked && cursor !== log.version) return `takes messages and is at ${cursor} of ${log.version}`;
    return undefined;
  },

  consistency: (record, log) => {
    if (record.cancelled || record.end !== undefined || record.blocked) return undefined;
    // One that resumes knew the list of that version.
    const known = record.after === undefined ? [] : log.listAt(record.after);
    const state = new Map(known.map((gpu) => [gpu.name, gpu]));
    for (const { type, gpu } of record.messages) {
      if (type === "DELETED") state.delete(gpu.name);
      else state.set(gpu.name, gpu);
    }
    const replayed = [...state.values()].sort((a, b) => a.version - b.version);
    const list = [...log.gpus].sort((a, b) => a.version - b.version);
    if (Bun.deepEquals(replayed, list, true)) return undefined;
    return `replayed ${Bun.inspect(replayed)}, listed ${Bun.inspect(list)}`;
  },
};

/** Every broken promise, by name. */
export function validateWatch(record: WatchRecord, log: CommittedLog): readonly string[] {
  return Object.entries(VALIDATORS).flatMap(([promise, validate]) => {
    const problem = validate(record, log);
    return problem === undefined ? [] : [`${promise}: ${record.name}: ${problem}`];
  });
}
