/** What a tally is in the exposition. */
export interface TallyMetric {
  /** Without the common prefix. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/**
 * A counter in plain numbers, by the values of its labels. The library, which hashes the labels at every step, is told
 * at a scrape; a write or an event pays for one addition.
 */
export class Tally {
  readonly metric: TallyMetric;
  /** By the labels' values in one text. */
  readonly #series = new Map<string, { readonly values: readonly string[]; count: number }>();

  /** `known`: values of a single label that stand at 0 from the start, so that a rate over a first event is seen. */
  constructor(name: string, help: string, labels: readonly string[] = [], known: readonly string[] = []) {
    this.metric = { name, help, labels };
    for (const value of known) this.add([value], 0);
    if (labels.length === 0) this.add([], 0);
  }

  add(values: readonly string[], by = 1): void {
    const key = values.length === 1 ? (values[0] ?? "") : values.join("\0");
    const series = this.#series.get(key);
    if (series !== undefined) series.count += by;
    else this.#series.set(key, { values, count: by });
  }

  /** Each series with its labels as the library takes them. */
  *series(): Iterable<readonly [labels: Record<string, string>, count: number]> {
    for (const { values, count } of this.#series.values()) {
      yield [Object.fromEntries(this.metric.labels.map((label, i) => [label, values[i] ?? ""])), count];
    }
  }
}
