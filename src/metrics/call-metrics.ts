import { expositionOf, type Family, type Series } from "./exposition.ts";

/** Seconds; existing dashboards take quantiles over these. */
const BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** How many calls of one method there were. */
interface MethodTally {
  readonly isUnary: boolean;
  /** By status code. */
  readonly codes: Map<string, number>;
  /** So many took no longer than the bound of this place, and longer than the one before; the last is for the rest. */
  readonly buckets: number[];
  seconds: number;
  count: number;
}

/**
 * Calls by method and code, and how long unary ones took: one addition each, in plain numbers. The library hashes the
 * labels at every call, and that costs as much as answering a small one.
 */
export class CallMetrics {
  readonly #prefix: string;
  readonly #tallies = new Map<string, MethodTally>();
  readonly #others = newTally(false);

  /** The methods that are served, and the label for all others, so that callers cannot invent series. */
  constructor(prefix: string, methods: readonly { readonly name: string; readonly kind: string }[], other: string) {
    this.#prefix = prefix;
    for (const { name, kind } of methods) {
      const tally = newTally(kind === "unary");
      // A rate over a first call is then seen.
      tally.codes.set("OK", 0);
      this.#tallies.set(name, tally);
    }
    this.#tallies.set(other, this.#others);
  }

  ended(method: string, code: string, seconds: number): void {
    const tally = this.#tallies.get(method) ?? this.#others;
    tally.codes.set(code, (tally.codes.get(code) ?? 0) + 1);
    if (!tally.isUnary) return;
    let place = 0;
    while (place < BUCKETS.length && seconds > (BUCKETS[place] ?? 0)) place++;
    tally.buckets[place] = (tally.buckets[place] ?? 0) + 1;
    tally.seconds += seconds;
    tally.count++;
  }

  exposition(): string {
    return expositionOf([this.#requests(), this.#durations()]);
  }

  #requests(): Family {
    const series = [...this.#tallies].flatMap(([method, { codes }]) =>
      [...codes].map(([code, value]) => seriesOf("", { method, code }, value)),
    );
    const help = "Calls that ended, by method and status code.";
    return { name: `${this.#prefix}grpc_requests_total`, type: "counter", help, series };
  }

  #durations(): Family {
    const series = [...this.#tallies].flatMap(([method, tally]) => (tally.isUnary ? durationsOf(method, tally) : []));
    const help = "Time from a unary call's arrival to its end.";
    return { name: `${this.#prefix}grpc_request_duration_seconds`, type: "histogram", help, series };
  }
}

function newTally(isUnary: boolean): MethodTally {
  return { isUnary, codes: new Map(), buckets: new Array(BUCKETS.length + 1).fill(0), seconds: 0, count: 0 };
}

/** Each bucket holds those before it, too. */
function durationsOf(method: string, { buckets, seconds, count }: MethodTally): readonly Series[] {
  let sum = 0;
  const bounds = [...BUCKETS.map(String), "+Inf"];
  const cumulative = bounds.map((le, place) => {
    sum += buckets[place] ?? 0;
    return seriesOf("_bucket", { le, method }, sum);
  });
  return [...cumulative, seriesOf("_sum", { method }, seconds), seriesOf("_count", { method }, count)];
}

function seriesOf(suffix: Series["suffix"], labels: Readonly<Record<string, string>>, value: number): Series {
  return { suffix, labels: Object.entries(labels), value };
}
