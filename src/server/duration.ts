/** A timer of the runtime takes at most 2^31-1 ms (24.8 days); anything longer is a mistake, not a wish. */
export const DURATION_MAX_MS = 24 * 24 * 3_600_000;

export const DURATION_FORM = "a duration such as 30, 500ms, 5s or 1m30s (a bare number is in seconds)";

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5, the micro sign
  μs: 1e-3, // U+03BC, the Greek letter: Go takes both
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const BARE = /^(?:\d+(?:\.\d+)?|\.\d+)$/;
const WHOLE = /^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/** Milliseconds, or undefined where it is no duration of ours: malformed, negative, or over the maximum. */
export function parseDurationMs(text: string): number | undefined {
  let ms = 0;
  if (BARE.test(text)) {
    ms = Number(text) * 1_000;
  } else if (WHOLE.test(text)) {
    for (const [, number, unit] of text.matchAll(PART)) ms += Number(number) * (UNIT_MS[unit ?? ""] ?? Number.NaN);
  } else {
    return undefined;
  }
  return ms <= DURATION_MAX_MS ? ms : undefined;
}

/** The shortest spelling that parses back: 90000 is "1m30s", 500 is "500ms". */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return ms === 0 ? "0s" : `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = (ms % 60_000) / 1_000;
  return `${hours > 0 ? `${hours}h` : ""}${minutes > 0 ? `${minutes}m` : ""}${seconds > 0 ? `${seconds}s` : ""}`;
}
