import { closeSync } from "node:fs";
import { addCallTimes, type CallTimes, type NvmlCalls } from "../../native/calls-page.ts";

/** A page that a process inherits and that can be read when it has ended, however that came about. */
export interface CallsPage {
  /** Its descriptor. */
  create(): number;
  read(fd: number): NvmlCalls;
}

/** The NVML calls of all host processes: of those that live, as their pages say now, and of those that have ended. */
export class CallsLedger {
  readonly #pages: CallsPage;
  readonly #open = new Set<number>();
  readonly #ended = new Map<string, CallTimes>();

  constructor(pages: CallsPage) {
    this.#pages = pages;
  }

  /** The descriptor of a page for one process. */
  open(): number {
    const page = this.#pages.create();
    this.#open.add(page);
    return page;
  }

  /** When the process has ended: the call that it was in, the sampler's first, as the other thread mostly waits. */
  close(page: number): string | undefined {
    this.#open.delete(page);
    const calls = this.#read(page);
    closeSync(page);
    for (const [name, times] of calls?.ended ?? []) addCallTimes(this.#ended, name, times);
    return (calls?.sampler ?? calls?.eventThread)?.name;
  }

  /** The call that the sampler of a process is in now. */
  running(page: number): string | undefined {
    return this.#read(page)?.sampler?.name;
  }

  /** Never less than before. */
  times(): ReadonlyMap<string, CallTimes> {
    const times = new Map(this.#ended);
    for (const page of this.#open) {
      for (const [name, more] of this.#read(page)?.ended ?? []) addCallTimes(times, name, more);
    }
    return times;
  }

  #read(page: number): NvmlCalls | undefined {
    try {
      return this.#pages.read(page);
    } catch {
      // What it says is a help for people; the server goes on without it.
      return undefined;
    }
  }
}
