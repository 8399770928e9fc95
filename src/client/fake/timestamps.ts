import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";

/** 2010-01-01: no GPU of a data centre that reports health is older. */
const EARLIEST_SECONDS = 1_262_304_000n;
/** The most that two clocks of one node could differ. */
const AHEAD_MAX_SECONDS = 60n;

export function timestampOf(wallUs: number): Timestamp {
  const seconds = Math.floor(wallUs / 1_000_000);
  return create(TimestampSchema, { seconds: BigInt(seconds), nanos: (wallUs - seconds * 1_000_000) * 1_000 });
}

export function laterOf(a: Timestamp, b: Timestamp | undefined): Timestamp {
  if (b === undefined || b.seconds < a.seconds) return a;
  return b.seconds > a.seconds || b.nanos > a.nanos ? b : a;
}

/** Whether a provider's own time of a transition can be true. */
export function isPlausible({ seconds, nanos }: Timestamp, now: Timestamp): boolean {
  const isNano = nanos >= 0 && nanos < 1_000_000_000;
  return isNano && seconds >= EARLIEST_SECONDS && seconds <= now.seconds + AHEAD_MAX_SECONDS;
}
