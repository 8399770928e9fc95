import type { CallTimes } from "../../native/calls-page.ts";
import type { HostMessage } from "./sample.ts";

/** How a host process ended. */
export interface HostExit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** The NVML function it died in, where the launcher can tell; undefined leaves it to the last pulse. */
  readonly call: string | undefined;
}

/** Whoever listens to one host process. Nothing is called before `launch` has returned, nor after `exited`. */
export interface HostListener {
  /** What arrived together. */
  messages(batch: readonly HostMessage[]): void;
  /** Bytes came that are no message, or of another version: nothing that follows can be trusted. */
  corrupt(problem: string): void;
  exited(exit: HostExit): void;
}

export interface HostProcess {
  readonly pid: number;
  /** The NVML function that its sampler is in, where the launcher can tell without being told. */
  runningCall(): string | undefined;
  kill(signal: "SIGTERM" | "SIGKILL"): void;
  /** Lets go of one that does not end: it must not keep this process from ending. */
  abandon(): void;
}

/** Starts host processes. */
export interface HostLauncher {
  /** Throws where the process cannot be started. */
  launch(listener: HostListener): HostProcess;
  /** The NVML calls that have ended, by function, in all processes so far. */
  callTimes(): ReadonlyMap<string, CallTimes>;
}
