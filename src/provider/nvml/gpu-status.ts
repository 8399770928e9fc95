import { gravestAction } from "../../store/actions.ts";
import type { ConditionInput, StatusInput } from "../../store/types.ts";
import { recoveryActionOf } from "./driver-words.ts";
import { byGravity, clearedBy, type Fault, type NvmlConditionType } from "./fault.ts";
import { type GpuHealth, isLost } from "./gpu-health.ts";
import { GPU_LOST, NVML_READY, readinessRule } from "./rules/readiness.ts";
import type { Rule } from "./rules/rule.ts";
import { RULES } from "./rules/table.ts";
import type { Thresholds } from "./thresholds.ts";

/** Why nothing good can be said about any GPU at present. */
export interface Outage {
  readonly reason: string;
  readonly message: string;
}

export interface StatusOptions {
  readonly thresholds: Thresholds;
  /** --nvml-health-check: without it, NVMLReady is all there is, and it knows no fault. */
  readonly healthCheck: boolean;
}

/** Further faults that a message lists by name; the rest is counted. */
const NAMED_FAULTS_MAX = 5;

/** What the provider says about a GPU. Pure. */
export function statusOf(health: GpuHealth, outage: Outage | undefined, options: StatusOptions): StatusInput {
  if (!options.healthCheck) return { conditions: [readyWithoutChecks(health, outage)], action: "" };
  const conditions = RULES.flatMap((rule) => conditionOf(rule, health, outage, options.thresholds) ?? []);
  return { conditions, action: adviceOf(health) };
}

/** The driver's verdict first, then what is advised for the faults. */
export function adviceOf(health: GpuHealth): string {
  const verdict = isLost(health) || health.sample === undefined ? undefined : health.known?.recoveryAction;
  const word = verdict === undefined ? "" : recoveryActionOf(verdict).action;
  return word === "" ? gravestAction([...health.faults.values()].map(({ action }) => action)) : word;
}

function conditionOf(
  rule: Rule,
  health: GpuHealth,
  outage: Outage | undefined,
  thresholds: Thresholds,
): ConditionInput | undefined {
  const { condition } = rule;
  const faults = byGravity([...health.faults.values()].filter((fault) => fault.condition === condition));
  const [worst, ...others] = faults;
  // A fault stays what it is while nothing can be read: stale bad news is safe.
  if (worst !== undefined) return falseOf(worst, others, health);
  if (condition !== NVML_READY && !health.conditions.has(condition)) return undefined;
  if (outage !== undefined) return unknownOf(condition, outage);
  if (isLost(health)) return unknownOf(condition, { reason: GPU_LOST, message: "the GPU is lost" });
  const unread = health.unread.get(condition);
  if (unread !== undefined && unread.rounds >= thresholds.unreadRoundsMax) {
    const message = `${unread.call} fails with NVML return ${unread.code}`;
    return unknownOf(condition, { reason: "ReadingFailed", message });
  }
  return goodOf(rule, health);
}

function goodOf(rule: Rule, health: GpuHealth): ConditionInput {
  const { condition, good } = rule;
  const { known: sample, fabricCompleted } = health;
  if (sample === undefined || health.sample === undefined) {
    return unknownOf(condition, { reason: "NotSampled", message: "the GPU has not been read yet" });
  }
  const doubt = rule.doubt?.({ sample, fabricCompleted });
  if (doubt !== undefined) return unknownOf(condition, doubt);
  return { type: condition, status: "True", reason: good.reason, message: good.message(sample), at: undefined };
}

function falseOf(worst: Fault, others: readonly Fault[], health: GpuHealth): ConditionInput {
  const named = others.slice(0, NAMED_FAULTS_MAX).map(({ short }) => short);
  const more = others.length - named.length;
  const list = more > 0 ? [...named, `${more} more`] : named;
  const also = list.length === 0 ? "" : `; also open: ${list.join(", ")}`;
  const ends = clearedBy(worst, health.known?.recoveryAction !== undefined);
  const message = `${worst.detail}${also}; cleared by: ${ends}`;
  return { type: worst.condition, status: "False", reason: worst.reason, message, at: undefined };
}

function unknownOf(type: NvmlConditionType, { reason, message }: Outage): ConditionInput {
  return { type, status: "Unknown", reason, message, at: undefined };
}

/** An outage is about this server and not about the GPU, so it shows here too. */
function readyWithoutChecks({ known: sample }: GpuHealth, outage: Outage | undefined): ConditionInput {
  if (outage !== undefined) return unknownOf(NVML_READY, outage);
  const { reason, message } = readinessRule.good;
  const place = sample === undefined ? "enumerated" : message(sample);
  return { type: NVML_READY, status: "True", reason, message: `${place}; health checks are off`, at: undefined };
}
