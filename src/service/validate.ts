import { invalidArgument, resourceExhausted } from "../base/status-error.ts";
import type { Condition, GpuStatus, ListOptions } from "../gen/device/v1alpha1/gpu_pb.ts";
import {
  ACTION_MAX,
  CONDITION_TYPE_MAX,
  CONDITIONS_PER_GPU_MAX,
  MESSAGE_MAX,
  NAME_MAX,
  PROVIDER_ID_MAX,
  REASON_MAX,
  UUID_MAX,
} from "../store/limits.ts";
import type { ConditionInput, ConditionStatus, StatusInput } from "../store/types.ts";

/** Turns wire messages into checked types; inside the server there are no raw strings. All throw INVALID_ARGUMENT. */

const NAME_PATTERN = /^[A-Za-z0-9](?:[-._A-Za-z0-9]*[A-Za-z0-9])?$/;
const INT64 = /^-?\d{1,19}$/;
const INT64_MAX = 2n ** 63n - 1n;

/** The name of a GPU to register. */
export function checkNewName(name: string): string {
  const rule = "must be letters and digits, and between them also '-', '.' and '_'";
  checkPresent(name, "name");
  checkLength(name, NAME_MAX, "name");
  if (!NAME_PATTERN.test(name)) throw invalidArgument("name", `${JSON.stringify(name)} ${rule}`);
  return name;
}

export function checkPresent(text: string, field: string): string {
  if (text === "") throw invalidArgument(field, "must not be empty");
  return text;
}

export function checkUuid(uuid: string): string {
  checkLength(uuid, UUID_MAX, "spec.uuid");
  return uuid;
}

export function checkProviderId(id: string): string {
  checkLength(id, PROVIDER_ID_MAX, "provider_id");
  return id;
}

/** A watch's or read's resource_version: undefined for "from the present state", which "" and "0" mean. */
export function checkVersion(opts: Pick<ListOptions, "resourceVersion"> | undefined): bigint | undefined {
  const text = opts?.resourceVersion ?? "";
  if (text === "") return undefined;
  const version = INT64.test(text) ? BigInt(text) : undefined;
  if (version === undefined || version > INT64_MAX || version < -INT64_MAX - 1n) {
    throw invalidArgument("opts.resource_version", `${JSON.stringify(text.slice(0, 40))} is not a decimal int64`);
  }
  return version === 0n ? undefined : version;
}

/** Whether the namespace is the one that holds the node's GPUs. */
export function isOwnNamespace(opts: Pick<ListOptions, "namespace"> | undefined): boolean {
  return opts === undefined || opts.namespace === "" || opts.namespace === "default";
}

export function checkStatus(status: GpuStatus, field: string): StatusInput {
  const { conditions, recommendedAction } = status;
  if (conditions.length > CONDITIONS_PER_GPU_MAX) {
    const problem = `${conditions.length} conditions, the limit is ${CONDITIONS_PER_GPU_MAX} per GPU`;
    throw resourceExhausted(`${field}.conditions`, problem);
  }
  checkLength(recommendedAction, ACTION_MAX, `${field}.recommended_action`);
  const checked = conditions.map((condition, i) => checkCondition(condition, `${field}.conditions[${i}]`));
  const types = new Set<string>();
  for (const { type } of checked) {
    if (types.has(type))
      throw invalidArgument(`${field}.conditions`, `type ${JSON.stringify(type)} stands there twice`);
    types.add(type);
  }
  return { conditions: checked, action: recommendedAction };
}

/** What is read of nvidia.device.v1alpha1.Condition. */
type WireCondition = Pick<Condition, "type" | "status" | "reason" | "message"> & {
  readonly lastTransitionTime?: { readonly seconds: bigint; readonly nanos: number } | undefined;
};

export function checkCondition(condition: WireCondition, field: string): ConditionInput {
  const { type, status, reason, message, lastTransitionTime } = condition;
  checkPresent(type, `${field}.type`);
  checkLength(type, CONDITION_TYPE_MAX, `${field}.type`);
  if (!isConditionStatus(status)) {
    const given = JSON.stringify(status.slice(0, 40));
    throw invalidArgument(`${field}.status`, `${given} must be "True", "False" or "Unknown"`);
  }
  checkLength(reason, REASON_MAX, `${field}.reason`);
  checkLength(message, MESSAGE_MAX, `${field}.message`);
  const at = lastTransitionTime && { seconds: lastTransitionTime.seconds, nanos: lastTransitionTime.nanos };
  return { type, status, reason, message, at };
}

function isConditionStatus(text: string): text is ConditionStatus {
  return text === "True" || text === "False" || text === "Unknown";
}

/** Counts code points, but only where the UTF-16 length leaves it open. */
export function checkLength(text: string, max: number, field: string): void {
  if (text.length <= max) return;
  let length = 0;
  for (const _ of text) length++;
  if (length > max) throw invalidArgument(field, `${length} characters, the limit is ${max}`);
}
