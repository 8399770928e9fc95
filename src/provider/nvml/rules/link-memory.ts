import type { NvLinkSample } from "../sample.ts";
import type { Thresholds } from "../thresholds.ts";

/** What is remembered of one NVLink between samples. */
export interface LinkState {
  /** It has been up at some time: only then is down a fault. */
  readonly wasUp: boolean;
  /** Since when the errors are counted, and the counter then; undefined where none can be read. */
  readonly window: CounterReading | undefined;
  readonly last: CounterReading | undefined;
  /** Errors within the window. */
  readonly recent: number;
}

export interface CounterReading {
  readonly monoNs: bigint;
  readonly errors: bigint;
}

export type LinkMemory = ReadonlyMap<number, LinkState>;

/** NVML knows 18 links of a GPU and has room for 36; a number beyond is a broken reading. */
export const LINKS_MAX = 64;

const UNSEEN: LinkState = { wasUp: false, window: undefined, last: undefined, recent: 0 };

/** Counts a sample in. A counter that fell was reset and counts from there. */
export function rememberLinks(
  memory: LinkMemory,
  links: readonly NvLinkSample[],
  monoNs: bigint,
  thresholds: Thresholds,
): LinkMemory {
  if (links.length === 0) return memory;
  const next = new Map(memory);
  for (const { link, active, errors } of links) {
    if (link < 0 || link >= LINKS_MAX) continue;
    const known = next.get(link) ?? UNSEEN;
    next.set(link, { ...countErrors(known, errors, monoNs, thresholds), wasUp: known.wasUp || active });
  }
  return next;
}

function countErrors(known: LinkState, errors: bigint | undefined, monoNs: bigint, thresholds: Thresholds): LinkState {
  if (errors === undefined) return known;
  const now = { monoNs, errors };
  const { window, last } = known;
  if (window === undefined || last === undefined || errors < last.errors) {
    return { ...known, window: now, last: now, recent: 0 };
  }
  const windowMs = thresholds.linkErrorWindowMs;
  if (msBetween(window, now) <= windowMs) return { ...known, last: now, recent: Number(errors - window.errors) };
  // The next window begins with the reading before this one, so that no error falls between two of them. Where nobody
  // looked for longer than a window, a window's part of what came meanwhile counts.
  const gapMs = msBetween(last, now);
  const recent = Math.floor(Number(errors - last.errors) * Math.min(1, windowMs / gapMs));
  return { ...known, window: gapMs > windowMs ? now : last, last: now, recent };
}

const msBetween = (from: CounterReading, to: CounterReading): number => Number(to.monoNs - from.monoNs) / 1e6;
