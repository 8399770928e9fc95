import type { NvLinkSample } from "../sample.ts";
import type { Thresholds } from "../thresholds.ts";

/** What is remembered of one NVLink between samples. */
export interface LinkState {
  /** It has been up at some time: only then is down a fault. */
  readonly wasUp: boolean;
  /** Since when the errors are counted, and the counter then; undefined where none can be read. */
  readonly window: { readonly monoNs: bigint; readonly errors: bigint } | undefined;
  /** Errors within the window. */
  readonly recent: number;
}

export type LinkMemory = ReadonlyMap<number, LinkState>;

/** NVML knows 18 links of a GPU and has room for 36; a number beyond is a broken reading. */
export const LINKS_MAX = 64;

const UNSEEN: LinkState = { wasUp: false, window: undefined, recent: 0 };

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
  const { window } = known;
  const isOver = window !== undefined && Number(monoNs - window.monoNs) / 1e6 > thresholds.linkErrorWindowMs;
  if (window === undefined || errors < window.errors || isOver) {
    return { ...known, window: { monoNs, errors }, recent: 0 };
  }
  return { ...known, recent: Number(errors - window.errors) };
}
