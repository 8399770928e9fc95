const DIGIT_RUNS = /(\d+)/;

/**
 * Compares names as people order them: runs of digits by their number, all else by code unit (gpu-2 before gpu-10).
 * A total order: names that differ never compare as equal.
 */
export function compareNatural(a: string, b: string): number {
  // Splitting by a captured group puts the digit runs at the odd places of both lists.
  const left = a.split(DIGIT_RUNS);
  const right = b.split(DIGIT_RUNS);
  for (let i = 0; i < left.length && i < right.length; i++) {
    const order =
      i % 2 === 1 ? compareDigits(left[i] ?? "", right[i] ?? "") : compareText(left[i] ?? "", right[i] ?? "");
    if (order !== 0) return order;
  }
  return left.length - right.length || compareText(a, b);
}

/** By value without a limit on length: leading zeros aside, the longer run is the larger number. */
function compareDigits(a: string, b: string): number {
  const left = a.replace(/^0+/, "");
  const right = b.replace(/^0+/, "");
  return left.length - right.length || compareText(left, right);
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
