import type { HostMessage, RunningCall } from "./sample.ts";

/** When a host process is taken for stuck. */
export interface WatchdogLimits {
  /** A call that runs for longer, or as long a silence, makes every GPU Unknown. */
  readonly callMs: number;
  /** As long a call or a silence, and the host process is killed. */
  readonly killMs: number;
  /** Rounds further apart make every GPU Unknown, whatever the pulses say. */
  readonly roundMs: number;
  /** Rounds further apart, and the host process is killed. */
  readonly roundKillMs: number;
  /** From the start of the process to its first round. */
  readonly initMs: number;
}

/** nvmlEventSetWait_v2 waits for 250 ms by design; twice that is no hang yet. */
export const CALL_MIN_MS = 500;

/** To kill must come after Unknown, with time for a slow call to return: twice as long as the suspicion takes. */
export const KILL_PERIODS_MIN = 3;
const KILL_DEFAULT_MS = 5_000;

/** Some seconds for each of 8 GPUs, where no persistence daemon keeps the driver up. */
const START_MS = 30_000;

/** Shorter pauses make no hang of a call that is none; a busy machine has many of them. */
const PAUSE_MIN_MS = CALL_MIN_MS / 2;
/** Remembered pauses: a call is long since taken for stuck when there have been more of them. */
const PAUSES_MAX = 16;

/** A call that hangs from the first round on is seen in a pulse by then. */
const TRIAL_MS = CALL_MIN_MS + 250;

/** What one host process has shown of itself. Times are those of the server's monotonic clock. */
export interface HostWatch {
  readonly startedMs: number;
  readonly lastMessageMs: number;
  readonly firstRoundMs: number | undefined;
  readonly lastRoundMs: number | undefined;
  /** The calls of the last pulse, as the host process measured them; a round shows that the sampler's has returned. */
  readonly sampler: WatchedCall | undefined;
  readonly eventThread: WatchedCall | undefined;
  /** It said that it failed, and ends by itself. */
  readonly failed: boolean;
  /** When the server itself stood still, the latest last. */
  readonly pauses: readonly Pause[];
}

interface Pause {
  readonly ms: number;
  readonly endMs: number;
}

export interface WatchedCall {
  readonly name: string;
  readonly ms: number;
}

export type WatchVerdict =
  | { readonly kind: "fine" }
  /** `starting`: not up yet, and it takes long, as it may. `call` is undefined where no pulse has told of one. */
  | { readonly kind: "starting" | "unresponsive" | "kill"; readonly call: string | undefined; readonly what: string };

/**
 * "GPUs Unknown within two periods" is the promise: a call is suspect after one and a half, and the other half is for
 * the pulse (100 ms) and the way here. Unknown costs little and ends with the next round. To kill costs the readings of
 * seconds and may hit a driver that is merely slow, so it comes later: no NVML call that we make takes 5 s on a GPU
 * that works. The first calls after loading do where no persistence daemon runs: some seconds for each of 8 GPUs.
 * `killMs`: at least KILL_PERIODS_MIN periods, and a second.
 */
export function watchdogLimits(
  periodMs: number,
  killMs = Math.max(KILL_DEFAULT_MS, KILL_PERIODS_MIN * periodMs),
): WatchdogLimits {
  return {
    callMs: Math.max(CALL_MIN_MS, 1.5 * periodMs),
    killMs,
    // A round is many calls, none of which need be slow: 256 GPUs of 60 calls of 0.3 ms are 5 s.
    roundMs: 5_000 + 2 * periodMs,
    roundKillMs: 60_000 + 2 * periodMs,
    initMs: Math.max(START_MS, killMs),
  };
}

export function newWatch(nowMs: number): HostWatch {
  return {
    startedMs: nowMs,
    lastMessageMs: nowMs,
    firstRoundMs: undefined,
    lastRoundMs: undefined,
    sampler: undefined,
    eventThread: undefined,
    failed: false,
    pauses: [],
  };
}

/**
 * Pure. The server itself did not run for so long, up to now: nobody listened, so that none of it counts as silence,
 * nor as part of a call from before its end (what froze the server may have frozen the host process with it).
 */
export function afterPause(watch: HostWatch, pausedMs: number, nowMs: number): HostWatch {
  const later = (ms: number) => Math.min(nowMs, ms + pausedMs);
  return {
    ...watch,
    startedMs: later(watch.startedMs),
    lastMessageMs: later(watch.lastMessageMs),
    firstRoundMs: watch.firstRoundMs === undefined ? undefined : later(watch.firstRoundMs),
    lastRoundMs: watch.lastRoundMs === undefined ? undefined : later(watch.lastRoundMs),
    pauses: [...watch.pauses, { ms: pausedMs, endMs: nowMs }].filter(({ ms }) => ms >= PAUSE_MIN_MS).slice(-PAUSES_MAX),
  };
}

export function watchMessages(watch: HostWatch, batch: readonly HostMessage[], nowMs: number): HostWatch {
  let next: HostWatch = { ...watch, lastMessageMs: nowMs };
  for (const message of batch) {
    if (message.kind === "round") {
      next = { ...next, firstRoundMs: next.firstRoundMs ?? nowMs, lastRoundMs: nowMs, sampler: undefined };
    }
    if (message.kind === "failed") next = { ...next, failed: true };
    if (message.kind === "pulse") {
      const { sampler, eventThread, monoNs } = message;
      const see = (call: RunningCall | undefined) => watched(call, monoNs, watch.pauses, nowMs);
      next = { ...next, sampler: see(sampler), eventThread: see(eventThread) };
    }
  }
  return next;
}

/**
 * Pure. Until the first round a process brings nothing good that could turn Unknown, and its calls may take long; only
 * the limit of the start ends it.
 */
export function judge(watch: HostWatch, limits: WatchdogLimits, nowMs: number): WatchVerdict {
  const { lastRoundMs } = watch;
  const call = longerOf(watch.sampler, watch.eventThread);
  const silentMs = nowMs - watch.lastMessageMs;
  const silence = (limitMs: number) =>
    `the NVML host process has been silent for more than ${inSeconds(limitMs)}${lastSeen(watch)}`;
  const running = (name: string, limitMs: number) => `${name} has been running for more than ${inSeconds(limitMs)}`;
  if (lastRoundMs === undefined) {
    const { callMs, initMs } = limits;
    if (nowMs - watch.startedMs >= initMs) {
      const what = `no reading within ${inSeconds(initMs)} of its start${lastSeen(watch)}`;
      return { kind: "kill", call: lastCallOf(watch), what };
    }
    if (call !== undefined && call.ms >= callMs) {
      return { kind: "starting", call: call.name, what: running(call.name, callMs) };
    }
    return silentMs >= callMs ? { kind: "starting", call: lastCallOf(watch), what: silence(callMs) } : { kind: "fine" };
  }
  const roundMs = nowMs - lastRoundMs;
  const noRound = (limitMs: number) => `no reading for more than ${inSeconds(limitMs)}`;
  for (const kind of ["kill", "unresponsive"] as const) {
    const callLimit = kind === "kill" ? limits.killMs : limits.callMs;
    const roundLimit = kind === "kill" ? limits.roundKillMs : limits.roundMs;
    if (call !== undefined && call.ms >= callLimit)
      return { kind, call: call.name, what: running(call.name, callLimit) };
    if (silentMs >= callLimit) return { kind, call: lastCallOf(watch), what: silence(callLimit) };
    if (roundMs >= roundLimit) return { kind, call: lastCallOf(watch), what: noRound(roundLimit) };
  }
  return { kind: "fine" };
}

/**
 * Pure. Whether a process that follows one that failed can be believed: it has been reading for a while, and no call of
 * it hangs. Where the event thread hangs in each process anew, the rounds of the others' first moments look well.
 */
export function passesTrial({ firstRoundMs, sampler, eventThread }: HostWatch, nowMs: number): boolean {
  if (firstRoundMs === undefined || nowMs - firstRoundMs < TRIAL_MS) return false;
  return (longerOf(sampler, eventThread)?.ms ?? 0) < CALL_MIN_MS;
}

/** The function that it was last seen in. The event thread is nearly always waiting: that is no news. */
export function lastCallOf({ sampler, eventThread }: HostWatch): string | undefined {
  return sampler?.name ?? (eventThread !== undefined && eventThread.ms >= CALL_MIN_MS ? eventThread.name : undefined);
}

function watched(
  call: RunningCall | undefined,
  pulseNs: bigint,
  pauses: readonly Pause[],
  nowMs: number,
): WatchedCall | undefined {
  if (call === undefined) return undefined;
  const ms = Number(pulseNs - call.sinceNs) / 1e6;
  const meanwhile = pauses.filter(({ endMs }) => nowMs - endMs < ms);
  const last = meanwhile.at(-1);
  if (last === undefined) return { name: call.name, ms };
  const pausedMs = meanwhile.reduce((sum, pause) => sum + pause.ms, 0);
  return { name: call.name, ms: Math.max(nowMs - last.endMs, ms - pausedMs) };
}

function longerOf(a: WatchedCall | undefined, b: WatchedCall | undefined): WatchedCall | undefined {
  return a === undefined || (b !== undefined && b.ms > a.ms) ? b : a;
}

function lastSeen(watch: HostWatch): string {
  const name = lastCallOf(watch);
  return name === undefined ? "" : `, last seen in ${name}`;
}

const inSeconds = (ms: number): string => `${ms / 1_000} s`;
