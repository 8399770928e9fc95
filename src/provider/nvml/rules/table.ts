import { fabricRule } from "./fabric.ts";
import { powerRule, thermalRule } from "./heat-and-power.ts";
import { memoryRule } from "./memory.ts";
import { nvLinkRule } from "./nvlink.ts";
import { readinessRule } from "./readiness.ts";
import type { Rule } from "./rule.ts";

/** One rule for each condition, NVMLReady first. */
export const RULES: readonly Rule[] = [readinessRule, memoryRule, thermalRule, powerRule, nvLinkRule, fabricRule];
