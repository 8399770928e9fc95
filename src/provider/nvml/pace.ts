/**
 * Whether the driver keeps up. One call that comes back late makes GPUs Unknown until the next round; where calls are
 * late again and again, GPUs would turn between True and Unknown with each of them, and so stay Unknown.
 */
export interface Pace {
  /** When calls came back late, within the last `windowMs`. Times are those of the server's monotonic clock. */
  readonly lateMs: readonly number[];
  /** The first of the rounds that came in time since the last late call or the start of the host process. */
  readonly inTimeSinceMs: number | undefined;
  readonly isSlow: boolean;
}

export interface PaceLimits {
  readonly lateMax: number;
  readonly windowMs: number;
  /** Rounds in time for so long end it. */
  readonly inTimeMs: number;
}

/** Once may be chance, and twice the neighbour of it. */
const LATE_MAX = 3;
const WINDOW_MS = 60_000;
const IN_TIME_MS = 10_000;

/** At a long period, three rounds take longer than a minute. */
export function paceLimits(periodMs: number): PaceLimits {
  return { lateMax: LATE_MAX, windowMs: Math.max(WINDOW_MS, LATE_MAX * periodMs), inTimeMs: IN_TIME_MS };
}

export const STEADY_PACE: Pace = { lateMs: [], inTimeSinceMs: undefined, isSlow: false };

/** Pure. A call that was taken for stuck has returned. */
export function afterLateCall({ lateMs, isSlow }: Pace, limits: PaceLimits, nowMs: number): Pace {
  const recent = [...lateMs.filter((ms) => nowMs - ms < limits.windowMs), nowMs].slice(-limits.lateMax);
  return { lateMs: recent, inTimeSinceMs: undefined, isSlow: isSlow || recent.length >= limits.lateMax };
}

/** Pure. A call is taken for stuck, or there is a new host process: rounds in time count from the next one. */
export function interrupted(pace: Pace): Pace {
  return { ...pace, inTimeSinceMs: undefined };
}

/** Pure. A round has come that worked. */
export function afterRound(pace: Pace, { inTimeMs }: PaceLimits, nowMs: number): Pace {
  const inTimeSinceMs = pace.inTimeSinceMs ?? nowMs;
  return { ...pace, inTimeSinceMs, isSlow: pace.isSlow && nowMs - inTimeSinceMs < inTimeMs };
}

/** What consumers read; `what` was said the last time. */
export function slowness(what: string, { lateMax, windowMs, inTimeMs }: PaceLimits): string {
  const often = `the driver did not answer in time ${lateMax} times within ${windowMs / 1_000} s`;
  return `${often} (the last: ${what}); cleared by: readings in time for ${inTimeMs / 1_000} s`;
}
