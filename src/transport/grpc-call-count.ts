/** About 9 kB each: 300 MB. More than the watches and the waiting calls that the store takes of all callers. */
export const OPEN_CALLS_MAX = 32_768;
/** Of one uid, or of all of TCP: three quarters of the store's watches, so that a quarter is left for others. */
export const OPEN_CALLS_PER_CALLER_MAX = 12_288;

/** Duplex calls, which no deadline or guard ends, and which may hold a window of requests each: 8 MiB of a caller. */
export const OPEN_DUPLEX_MAX = 512;
export const OPEN_DUPLEX_PER_CALLER_MAX = 128;

/** Counts open calls by caller; a connection may carry a thousand, and a caller may have thousands of connections. */
export class CallCount {
  readonly #byCaller = new Map<string, number>();
  readonly #perCallerMax: number;
  readonly #max: number;
  #total = 0;

  constructor(perCallerMax: number, max: number) {
    this.#perCallerMax = perCallerMax;
    this.#max = max;
  }

  /** Counts the call, and says whether there is room for it. It is counted until `remove` in either case. */
  add(caller: string): boolean {
    const ofCaller = (this.#byCaller.get(caller) ?? 0) + 1;
    this.#byCaller.set(caller, ofCaller);
    this.#total++;
    return ofCaller <= this.#perCallerMax && this.#total <= this.#max;
  }

  remove(caller: string): void {
    this.#total--;
    const left = (this.#byCaller.get(caller) ?? 0) - 1;
    if (left > 0) this.#byCaller.set(caller, left);
    else this.#byCaller.delete(caller);
  }
}
