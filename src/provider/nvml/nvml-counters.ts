import type { NvmlFacts } from "./nvml-facts.ts";
import type { HostMessage } from "./sample.ts";

/** Function names that are counted; NVML has some thirty that we call. */
const HANG_NAMES_MAX = 64;

/** What is counted of the host processes, from the start of the server on. */
export class NvmlCounters {
  hostStarts = 0;
  hostCrashes = 0;
  eventsDropped = 0;
  longestCallMs = 0;
  runningCall: NvmlFacts["runningCall"];
  readonly hangs = new Map<string, number>();

  onLaunched(): void {
    this.hostStarts++;
  }

  onGap(dropped: number): void {
    this.eventsDropped += dropped;
  }

  onPulse({ monoNs, sampler, eventThread }: HostMessage & { kind: "pulse" }): void {
    // The event thread waits by design; its call is of interest only where the sampler is in none.
    const call = sampler ?? eventThread;
    const ms = call === undefined ? 0 : Math.max(0, Number(monoNs - call.sinceNs) / 1e6);
    this.runningCall = call === undefined ? undefined : { name: call.name, ms };
    this.longestCallMs = Math.max(this.longestCallMs, ms);
  }

  onHang(call: string): void {
    if (!this.hangs.has(call) && this.hangs.size >= HANG_NAMES_MAX) return;
    this.hangs.set(call, (this.hangs.get(call) ?? 0) + 1);
  }

  onEnded(explained: boolean): void {
    this.runningCall = undefined;
    if (!explained) this.hostCrashes++;
  }
}
