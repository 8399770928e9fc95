/** What was counted. A skip and a failure have names, so that none of them is silent. */
export interface Tally {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

export const NOTHING: Tally = { passed: 0, failed: [], skipped: [] };

export function add(a: Tally, b: Tally): Tally {
  return {
    passed: a.passed + b.passed,
    failed: [...a.failed, ...b.failed],
    skipped: [...a.skipped, ...b.skipped],
  };
}

/** The last line of a run, always of this form: `12 passed, 0 failed`. Skips are said before it. */
export function closingLine(tally: Tally): string {
  return `${tally.passed} passed, ${tally.failed.length} failed`;
}

/** The sum of a part: its closing line, and `, 3 skipped` where something was. */
export function summary(tally: Tally): string {
  const line = closingLine(tally);
  return tally.skipped.length === 0 ? line : `${line}, ${tally.skipped.length} skipped`;
}
