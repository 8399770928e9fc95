import { resourceExhausted } from "../base/status-error.ts";
import { condense, type VisibleStatus } from "./aggregate.ts";
import type { ConditionReader } from "./condition-rules.ts";
import { GpuObject } from "./gpu-object.ts";
import type { HistoryEvent } from "./history.ts";
import { LIST_BYTES_MAX, SILENT_LIST_BYTES_MAX } from "./limits.ts";
import type { Entry, Transaction } from "./transaction.ts";
import type { EventType, GpuFacts } from "./types.ts";

/** What a commit does to one GPU. */
interface EntryChange {
  readonly key: string;
  readonly before: Entry | undefined;
  readonly after: Entry | undefined;
}

export interface CommitPlan {
  readonly changes: readonly EntryChange[];
  /** One for each visible change, with rising versions. */
  readonly events: readonly HistoryEvent[];
  readonly list: ListSize;
}

/** What the list of all GPUs takes. */
export interface ListSize {
  readonly bytes: number;
  /** At least what comes on top if every provider falls silent. */
  readonly lossBytes: number;
}

/** What the commit follows on, and when it is. */
export interface CommitMoment {
  /** The latest version before it. */
  readonly version: number;
  /** Wall clock, milliseconds since 1970. */
  readonly atMs: number;
}

const NOTHING: VisibleStatus = { conditions: [], action: "" };

/** The reply round the items: its header of 5 bytes where the limit matters, the metadata's 2, the version's 2 + 16. */
const LIST_FRAME_BYTES = 25;

/**
 * Works out what a transaction changes, encodes it and checks the size of the list; throws before anything is changed.
 */
export function planCommit(
  transaction: Transaction,
  gpus: ReadonlyMap<string, Entry>,
  { version, atMs }: CommitMoment,
  list: ListSize,
  reader: ConditionReader,
): CommitPlan {
  const changes: EntryChange[] = [];
  const events: HistoryEvent[] = [];
  let { bytes, lossBytes } = list;
  const emit = (type: EventType, object: GpuObject, key: string, before: Entry | undefined) => {
    const previous = before?.object.version ?? 0;
    events.push({ version: object.version, type, bytes: object.event(type), key, previous, atMs });
  };
  for (const [key, facts] of transaction.gpus) {
    const before = gpus.get(key);
    if (facts === undefined && before === undefined) continue;
    const next = version + events.length + 1;
    const after = facts === undefined ? undefined : entryOf(facts, before, next, reader, transaction);
    if (after === undefined) {
      if (before !== undefined) emit("DELETED", before.object.deletedAt(next), key, before);
    } else if (after.object !== before?.object) {
      emit(before === undefined ? "ADDED" : "MODIFIED", after.object, key, before);
    }
    bytes += sizeInList(after) - sizeInList(before);
    lossBytes += (after?.object.lossBytes ?? 0) - (before?.object.lossBytes ?? 0);
    changes.push({ key, before, after });
  }
  // A silent provider cannot be refused; there is room for what it leaves, because its writes were counted with it.
  if (transaction.lost.length === 0) checkSize(list, { bytes, lossBytes });
  return { changes, events, list: { bytes, lossBytes } };
}

/** A write that makes the list smaller is welcome also where it is too large still. */
function checkSize(before: ListSize, after: ListSize): void {
  const now = after.bytes + LIST_FRAME_BYTES;
  if (now > LIST_BYTES_MAX && after.bytes > before.bytes) {
    throw tooLarge(now, `the limit is ${LIST_BYTES_MAX} (3.5 MiB), because clients accept replies of 4 MiB`);
  }
  const silent = now + after.lossBytes;
  if (silent > SILENT_LIST_BYTES_MAX && silent > before.bytes + before.lossBytes + LIST_FRAME_BYTES) {
    throw tooLarge(silent, `once all providers fell silent; the limit is ${SILENT_LIST_BYTES_MAX} (4 MiB)`);
  }
}

/** The entry with the same object where consumers would see no change. */
function entryOf(
  facts: GpuFacts,
  before: Entry | undefined,
  version: number,
  reader: ConditionReader,
  transaction: Transaction,
): Entry {
  const object = before?.object;
  const status = condense(facts, object?.status ?? NOTHING, reader, transaction.at);
  if (object !== undefined && object.uuid === facts.uuid && sameStatus(object.status, status)) return { facts, object };
  return { facts, object: new GpuObject(facts.name, facts.uuid, version, status, object) };
}

function sameStatus(a: VisibleStatus, b: VisibleStatus): boolean {
  if (a.action !== b.action || a.conditions.length !== b.conditions.length) return false;
  // What did not change is the same object.
  return a.conditions.every((condition, i) => condition === b.conditions[i]);
}

function sizeInList(entry: Entry | undefined): number {
  return entry === undefined ? 0 : entry.object.listItemLength;
}

function tooLarge(bytes: number, why: string): Error {
  return resourceExhausted("status", `the list of all GPUs would take ${bytes} bytes; ${why}`);
}
