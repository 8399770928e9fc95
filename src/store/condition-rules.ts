import type { ConditionStatus } from "./types.ts";

/** What a report means, whatever its polarity. */
export type Verdict = "bad" | "unknown" | "good";

export const VERDICT_RANK: Readonly<Record<Verdict, number>> = { good: 0, unknown: 1, bad: 2 };

/** The type of the server's own verdict. */
export const READY = "Ready";

/** Reason of a good condition that turned Unknown because its provider fell silent. */
export const PROVIDER_LOST = "ProviderLost";

/** How condition types are read. */
export interface ConditionRules {
  /** True means a fault. Glob patterns: `*` stands for any run of characters. */
  readonly inverted: readonly string[];
  /** Shown, but without a say in Ready. Glob patterns. */
  readonly advisory: readonly string[];
}

export const DEFAULT_RULES: ConditionRules = {
  inverted: ["*Error", "*Fault", "Gpu*Watch"],
  advisory: ["ThermalHealthy", "PowerHealthy"],
};

interface TypeTraits {
  readonly inverted: boolean;
  readonly counts: boolean;
}

/** Distinct types that are remembered; a node's providers use a few dozen. */
const TRAITS_CACHED_MAX = 1_024;

/** Reads reports by the rules; what a type's patterns say is remembered, for it is asked at every commit. */
export class ConditionReader {
  readonly #inverted: RegExp;
  readonly #advisory: RegExp;
  readonly #traits = new Map<string, TypeTraits>();

  constructor(rules: ConditionRules) {
    this.#inverted = compileGlobs(rules.inverted);
    this.#advisory = compileGlobs(rules.advisory);
  }

  verdict(type: string, status: ConditionStatus): Verdict {
    return verdictOf(status, this.#traitsOf(type));
  }

  /** Whether the type has a say in Ready and in the advice. */
  counts(type: string): boolean {
    return this.#traitsOf(type).counts;
  }

  /** Whether it is a fault, of a type that has that say. */
  isCountingFault(type: string, status: ConditionStatus): boolean {
    const traits = this.#traitsOf(type);
    return traits.counts && verdictOf(status, traits) === "bad";
  }

  #traitsOf(type: string): TypeTraits {
    const known = this.#traits.get(type);
    if (known !== undefined) return known;
    const traits = { inverted: this.#inverted.test(type), counts: !this.#advisory.test(type) };
    if (this.#traits.size >= TRAITS_CACHED_MAX) this.#traits.clear();
    this.#traits.set(type, traits);
    return traits;
  }
}

function verdictOf(status: ConditionStatus, { inverted }: TypeTraits): Verdict {
  if (status === "Unknown") return "unknown";
  return (status === "True") === inverted ? "bad" : "good";
}

/** One expression for all patterns; without a pattern it matches nothing. */
function compileGlobs(patterns: readonly string[]): RegExp {
  const literal = (text: string) => text.replace(/[\\^$.|?+()[\]{}]/g, "\\$&");
  const bodies = patterns.map((pattern) => pattern.split("*").map(literal).join(".*"));
  return bodies.length === 0 ? /(?!)/ : new RegExp(`^(?:${bodies.join("|")})$`, "su");
}
