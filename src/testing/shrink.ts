const SHRINKING_MAX_MS = 20_000;

/**
 * Makes a failing list of commands short: leaves out ever smaller pieces for as long as what is left still fails.
 * `fails` must be a function of the list alone.
 */
export function shrinkList<T>(list: readonly T[], fails: (list: readonly T[]) => boolean): readonly T[] {
  let shortest = list;
  for (let piece = Math.ceil(list.length / 2); piece >= 1; piece = piece === 1 ? 0 : Math.ceil(piece / 2)) {
    for (let from = 0; from < shortest.length; ) {
      const candidate = [...shortest.slice(0, from), ...shortest.slice(from + piece)];
      if (candidate.length < shortest.length && fails(candidate)) shortest = candidate;
      else from += piece;
    }
  }
  return shortest;
}

/** As shrinkList, and then takes single items apart by `simpler`, the simplest first. */
export function shrinkItems<T>(
  list: readonly T[],
  simpler: (item: T) => readonly T[],
  stillFails: (list: readonly T[]) => boolean,
): readonly T[] {
  // A long list that is printed is worth more than a short one that nobody waits for.
  const endMs = performance.now() + SHRINKING_MAX_MS;
  const fails = (shorter: readonly T[]) => performance.now() < endMs && stillFails(shorter);
  let shortest = shrinkList(list, fails);
  for (let again = true; again; ) {
    again = false;
    for (let i = 0; i < shortest.length; i++) {
      const item = shortest[i];
      if (item === undefined) continue;
      const better = simpler(item)
        .map((other) => shortest.with(i, other))
        .find(fails);
      if (better === undefined) continue;
      shortest = better;
      again = true;
    }
    shortest = shrinkList(shortest, fails);
  }
  return shortest;
}

/** A history as it is printed: one command a line. */
export function printHistory(commands: readonly unknown[]): string {
  return commands.map((command) => JSON.stringify(command)).join("\n");
}
