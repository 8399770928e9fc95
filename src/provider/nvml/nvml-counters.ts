import type { NvmlSource } from "../../metrics/nvml-source.ts";
import type { CallTimes } from "../../native/calls-page.ts";
import type { HostMessage, RunningCall } from "./sample.ts";
import { CALL_MIN_MS } from "./watchdog.ts";

/** Function names that are counted; NVML has some thirty that we call. */
const HANG_NAMES_MAX = 64;

/** A call that a pulse told of. */
interface SeenCall {
  readonly name: string;
  /** On the server's clock. */
  readonly sinceMs: number;
  /** One that is younger is no news. */
  readonly minMs: number;
}

/** What is counted of the host processes, from the start of the server on. */
export class NvmlCounters {
  hostStarts = 0;
  hostCrashes = 0;
  eventsDropped = 0;
  readonly hangs = new Map<string, number>();
  readonly #longestMs = new Map<string, number>();
  #running: readonly SeenCall[] = [];

  onLaunched(): void {
    this.hostStarts++;
  }

  onGap(dropped: number): void {
    this.eventsDropped += dropped;
  }

  onPulse({ monoNs, sampler, eventThread }: HostMessage & { kind: "pulse" }, nowMs: number): void {
    // The event thread waits by design.
    this.#running = [...this.#see(sampler, monoNs, nowMs, 0), ...this.#see(eventThread, monoNs, nowMs, CALL_MIN_MS)];
  }

  onHang(call: string): void {
    if (!this.hangs.has(call) && this.hangs.size >= HANG_NAMES_MAX) return;
    this.hangs.set(call, (this.hangs.get(call) ?? 0) + 1);
  }

  onEnded(explained: boolean): void {
    this.#running = [];
    if (!explained) this.hostCrashes++;
  }

  /** As of the last pulse; while none comes it goes on. */
  runningCall(nowMs: number): NvmlSource["runningCall"] {
    const running = this.#running
      .map(({ name, sinceMs, minMs }) => ({ name, ms: nowMs - sinceMs, minMs }))
      .filter(({ ms, minMs }) => ms >= minMs)
      .sort((a, b) => b.ms - a.ms);
    const [longest] = running;
    return longest === undefined ? undefined : { name: longest.name, ms: longest.ms };
  }

  /** Of those that have ended, and of those that pulses told of: a call that never came back is among them alone. */
  longestMs(ended: ReadonlyMap<string, CallTimes>): ReadonlyMap<string, number> {
    const longest = new Map(this.#longestMs);
    for (const [name, { longestUs }] of ended) longest.set(name, Math.max(longest.get(name) ?? 0, longestUs / 1_000));
    return longest;
  }

  #see(call: RunningCall | undefined, monoNs: bigint, nowMs: number, minMs: number): readonly SeenCall[] {
    if (call === undefined) return [];
    const ms = Math.max(0, Number(monoNs - call.sinceNs) / 1e6);
    this.#longestMs.set(call.name, Math.max(this.#longestMs.get(call.name) ?? 0, ms));
    return [{ name: call.name, sinceMs: nowMs - ms, minMs }];
  }
}
