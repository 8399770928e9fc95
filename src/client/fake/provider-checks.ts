import type { Condition, GpuStatus } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { ApiError } from "../errors.ts";
import { CONDITIONS_PER_GPU_MAX } from "./fake-providers.ts";

/** What the wire contract asks of a provider's messages. All throw INVALID_ARGUMENT, but for too many conditions. */

const NAME = /^[A-Za-z0-9](?:[-._A-Za-z0-9]*[A-Za-z0-9])?$/;
const NAME_MAX = 253;
const TYPE_MAX = 316;
const REASON_MAX = 1_024;
const MESSAGE_MAX = 4_096;
const ACTION_MAX = 256;
const STATUSES: readonly string[] = ["True", "False", "Unknown"];

const invalid = (field: string, problem: string) => new ApiError("INVALID_ARGUMENT", `${field}: ${problem}`);

export function checkPresent(text: string, field: string): void {
  if (text === "") throw invalid(field, "must not be empty");
}

export function checkNewName(name: string): void {
  checkPresent(name, "name");
  checkLength(name, NAME_MAX, "name");
  const rule = "must be letters and digits, and between them also '-', '.' and '_'";
  if (!NAME.test(name)) throw invalid("name", `${JSON.stringify(name)} ${rule}`);
}

/** Of a provider's id or a UUID. */
export function checkId(id: string, field: string): void {
  checkLength(id, NAME_MAX, field);
}

export function checkStatus(status: GpuStatus | undefined, field: string): GpuStatus {
  if (status === undefined) throw invalid(field, "must be set");
  const { conditions, recommendedAction } = status;
  if (conditions.length > CONDITIONS_PER_GPU_MAX) {
    const problem = `${conditions.length} conditions, the limit is ${CONDITIONS_PER_GPU_MAX} per GPU`;
    throw new ApiError("RESOURCE_EXHAUSTED", `${field}.conditions: ${problem}`);
  }
  checkLength(recommendedAction, ACTION_MAX, `${field}.recommended_action`);
  conditions.forEach((condition, i) => {
    const { type } = checkCondition(condition, `${field}.conditions[${i}]`);
    if (conditions.findIndex((other) => other.type === type) < i) {
      throw invalid(`${field}.conditions`, `type ${JSON.stringify(type)} stands there twice`);
    }
  });
  return status;
}

export function checkCondition(condition: Condition | undefined, field: string): Condition {
  if (condition === undefined) throw invalid(field, "must be set");
  checkPresent(condition.type, `${field}.type`);
  checkLength(condition.type, TYPE_MAX, `${field}.type`);
  if (!STATUSES.includes(condition.status)) {
    const given = JSON.stringify(condition.status.slice(0, 40));
    throw invalid(`${field}.status`, `${given} must be "True", "False" or "Unknown"`);
  }
  checkLength(condition.reason, REASON_MAX, `${field}.reason`);
  checkLength(condition.message, MESSAGE_MAX, `${field}.message`);
  return condition;
}

/** In code points. */
function checkLength(text: string, max: number, field: string): void {
  const length = [...text].length;
  if (length > max) throw invalid(field, `${length} characters, the limit is ${max}`);
}
