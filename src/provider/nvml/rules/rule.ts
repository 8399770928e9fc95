import type { FaultDraft, NvmlConditionType } from "../fault.ts";
import type { GpuSample } from "../sample.ts";
import type { Thresholds } from "../thresholds.ts";
import type { LinkMemory } from "./link-memory.ts";

/** What a rule looks at. All of it is of one GPU. */
export interface RuleInput {
  readonly sample: GpuSample;
  /** What was known before it; undefined at first sight. */
  readonly before: GpuSample | undefined;
  /** With this sample counted in. */
  readonly links: LinkMemory;
  /** Whether the fabric has been complete at some time. */
  readonly fabricCompleted: boolean;
  readonly thresholds: Thresholds;
}

/**
 * A fault that can be read off the GPU at any time: `bad` opens it, `good` for its quiet period ends it, and `holding`
 * (between the limit and the margin below it) does neither. A fault whose level is missing could not be read.
 */
export type Level =
  | { readonly key: string; readonly reading: "holding" | "good" }
  | { readonly key: string; readonly reading: "bad"; readonly fault: Omit<FaultDraft, "key" | "condition"> };

/** A rule reads one condition off a sample. Pure. */
export interface Rule {
  readonly condition: NvmlConditionType;
  /** The NVML functions it needs: where one fails in round after round, the condition is Unknown. */
  readonly calls: RegExp;
  /** What is said while all is well. */
  readonly good: { readonly reason: string; readonly message: (sample: GpuSample) => string };
  /** Whether the hardware has what the rule looks at; where not, the condition is not reported at all. */
  applies(input: RuleInput): boolean;
  levels(input: RuleInput): readonly Level[];
  /** Faults that happened between the reading before and this one. */
  edges(input: RuleInput): readonly FaultDraft[];
  /** Neither good nor bad: reason and message of Unknown. */
  doubt?(
    input: Pick<RuleInput, "sample" | "fabricCompleted">,
  ): { readonly reason: string; readonly message: string } | undefined;
}

export const level = (key: string, bad: boolean, fault: () => Omit<FaultDraft, "key" | "condition">): Level =>
  bad ? { key, reading: "bad", fault: fault() } : { key, reading: "good" };
