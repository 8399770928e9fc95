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

/** The last line of a run: `12 passed, 0 failed`, and `, 3 skipped` where something was. */
export function closingLine(tally: Tally): string {
  const line = `${tally.passed} passed, ${tally.failed.length} failed`;
  return tally.skipped.length === 0 ? line : `${line}, ${tally.skipped.length} skipped`;
}
