import { fromBinary } from "@bufbuild/protobuf";
import { type Condition, type Gpu, WatchGpusResponseSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import type { History, HistoryEvent } from "./history.ts";
import { RECENT_EVENTS_BYTES_MAX } from "./limits.ts";
import { keyOf } from "./transaction.ts";
import type { EventType } from "./types.ts";

/** How one condition of a GPU changed. */
export interface ConditionChange {
  readonly type: string;
  /** Its status before; not set where there was none, or where nobody knows any more. */
  readonly from?: string;
  /** Its status after; not set where the condition went. The same as `from` where only the words changed. */
  readonly to?: string;
  /** As they are after it; of a condition that went, as they were. */
  readonly reason: string;
  readonly message: string;
}

/** One change of one GPU, as people ask for it: what is other than before. */
export interface RecentEvent {
  readonly version: bigint;
  /** Wall clock at the commit, milliseconds since 1970. */
  readonly atMs: number;
  readonly gpu: string;
  readonly kind: EventType;
  /** In the order in which consumers see them: Ready first. Empty for DELETED. */
  readonly changes: readonly ConditionChange[];
  /** The state before it is forgotten: what is shown is all that holds after it, and not what changed. */
  readonly whole: boolean;
  /** The advice before and after, where it changed; "" stands for none. */
  readonly actionFrom?: string;
  readonly actionTo?: string;
  /** The UUID after it, where it changed. */
  readonly uuid?: string;
  /** An operator's word that brought it about: who, what and why. */
  readonly by?: string;
}

export interface EventsQuery {
  /** Only this GPU's, in any case of letters. */
  readonly name?: string;
  /** At most so many; fewer where they would take more than RECENT_EVENTS_BYTES_MAX, but never none. */
  readonly limit: number;
  /** Only those after this version. */
  readonly after?: number;
}

/**
 * The latest events, newest first, read from the history that serves the watches: nothing is kept for it but the place
 * of each GPU's event before. A step for each event that is passed over, a decoding or two for each that is shown.
 */
export function listRecentEvents(history: History, query: EventsQuery): readonly RecentEvent[] {
  const { limit, after = 0 } = query;
  const key = query.name === undefined ? undefined : keyOf(query.name);
  const oldest = Math.max(after, history.oldestCursor);
  const events: RecentEvent[] = [];
  let bytes = 0;
  for (let version = history.last; version > oldest && events.length < limit; version--) {
    const event = history.at(version);
    if (event === undefined || (key !== undefined && event.key !== key)) continue;
    bytes += event.bytes.length;
    if (bytes > RECENT_EVENTS_BYTES_MAX && events.length > 0) break;
    events.push(describe(event, history.at(event.previous)));
  }
  return events;
}

function describe(event: HistoryEvent, previous: HistoryEvent | undefined): RecentEvent {
  const gpu = decode(event);
  const head = {
    version: BigInt(event.version),
    atMs: event.atMs,
    gpu: gpu?.metadata?.name ?? event.key,
    kind: event.type,
    whole: event.type === "MODIFIED" && previous === undefined,
  };
  if (event.type === "DELETED") return { ...head, changes: [] };
  const before = previous && decode(previous);
  const changes = changesOf(before?.status?.conditions ?? [], gpu?.status?.conditions ?? []);
  const actionFrom = before?.status?.recommendedAction ?? "";
  const actionTo = gpu?.status?.recommendedAction ?? "";
  const uuid = gpu?.spec?.uuid ?? "";
  return {
    ...head,
    changes,
    ...(actionFrom !== actionTo && (head.whole ? { actionTo } : { actionFrom, actionTo })),
    ...(before !== undefined && before.spec?.uuid !== uuid && { uuid }),
  };
}

function decode({ bytes }: HistoryEvent): Gpu | undefined {
  return fromBinary(WatchGpusResponseSchema, bytes).object;
}

/** What came, changed or went. */
function changesOf(before: readonly Condition[], after: readonly Condition[]): readonly ConditionChange[] {
  const known = new Map(before.map((condition) => [condition.type, condition]));
  const changed = after.flatMap(({ type, status, reason, message }) => {
    const was = known.get(type);
    known.delete(type);
    if (was === undefined) return [{ type, to: status, reason, message }];
    const same = was.status === status && was.reason === reason && was.message === message;
    return same ? [] : [{ type, from: was.status, to: status, reason, message }];
  });
  const gone = [...known.values()].map(({ type, status, reason, message }) => ({
    type,
    from: status,
    reason,
    message,
  }));
  return [...changed, ...gone];
}
