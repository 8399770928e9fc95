import { readSync } from "node:fs";
import { CALL_BITS, NVML_CALLS } from "./nvml-abi.gen.ts";

/** The call that a thread is in, or was in when its process ended. */
export interface NvmlCall {
  readonly name: string;
  /** CLOCK_MONOTONIC. */
  readonly sinceNs: bigint;
}

/** What a page of createCallsPage says. */
export interface NvmlCalls {
  readonly sampler: NvmlCall | undefined;
  readonly eventThread: NvmlCall | undefined;
  /** The calls that have ended, by function; one that was never called is missing. */
  readonly ended: ReadonlyMap<string, CallTimes>;
}

export interface CallTimes {
  readonly count: number;
  readonly totalUs: number;
  readonly longestUs: number;
}

/** Of calls.Tally in zig/src/calls.zig: count, total, longest. */
const TALLY_WORDS = 3;
/** Of calls.Running: the running call, then a tally for each function. */
const THREAD_WORDS = 1 + NVML_CALLS.length * TALLY_WORDS;

export function readCallsPage(fd: number): NvmlCalls {
  const words = new BigUint64Array(2 * THREAD_WORDS);
  readSync(fd, words, 0, words.byteLength, 0);
  const ended = new Map<string, CallTimes>();
  for (const thread of [0, THREAD_WORDS]) {
    for (const [call, name] of NVML_CALLS.entries()) {
      const at = thread + 1 + call * TALLY_WORDS;
      const [count = 0, totalUs = 0, longestUs = 0] = Array.from(words.subarray(at, at + TALLY_WORDS), Number);
      if (count > 0) addCallTimes(ended, name, { count, totalUs, longestUs });
    }
  }
  return { sampler: toCall(words[0]), eventThread: toCall(words[THREAD_WORDS]), ended };
}

export function addCallTimes(to: Map<string, CallTimes>, name: string, more: CallTimes): void {
  const known = to.get(name) ?? { count: 0, totalUs: 0, longestUs: 0 };
  to.set(name, {
    count: known.count + more.count,
    totalUs: known.totalUs + more.totalUs,
    longestUs: Math.max(known.longestUs, more.longestUs),
  });
}

function toCall(word = 0n): NvmlCall | undefined {
  const name = NVML_CALLS[Number(word & ((1n << BigInt(CALL_BITS)) - 1n))];
  return word === 0n || name === undefined ? undefined : { name, sinceNs: (word >> BigInt(CALL_BITS)) * 1_000n };
}
