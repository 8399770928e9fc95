import type { ConditionInput, StatusInput } from "../../store/types.ts";
import { hits, type NvmlConditionType, without } from "./fault.ts";
import type { GpuHealth } from "./gpu-health.ts";
import { type Outage, type StatusOptions, statusOf } from "./gpu-status.ts";
import { NVML_READY } from "./rules/readiness.ts";
import type { MigInstance } from "./sample.ts";

/**
 * What an instance has of its GPU. Not NVLink and fabric: in MIG mode there is no way from one GPU to another, so what
 * runs in an instance does without them.
 */
const INSTANCE_CONDITIONS: ReadonlySet<string> = new Set<NvmlConditionType>([
  NVML_READY,
  "MemoryHealthy",
  "ThermalHealthy",
  "PowerHealthy",
]);

/** What the provider says about a MIG instance: that of its GPU, less the faults that spare it. Pure. */
export function statusOfInstance(
  gpu: GpuHealth,
  instance: MigInstance,
  outage: Outage | undefined,
  options: StatusOptions,
): StatusInput {
  const isElsewhere = (condition: string) => !INSTANCE_CONDITIONS.has(condition);
  const faults = without(gpu.faults, (fault) => isElsewhere(fault.condition) || !hits(fault, instance.uuid));
  const unread =
    gpu.instancesUnread === undefined ? gpu.unread : new Map(gpu.unread).set(NVML_READY, gpu.instancesUnread);
  // The mode, and what it will be, is the GPU's affair.
  const known = gpu.known && { ...gpu.known, mig: undefined };
  const { conditions, action } = statusOf({ ...gpu, known, faults, unread }, outage, options);
  const place = placeOf(gpu.uuid, instance);
  return {
    conditions: conditions.filter(({ type }) => !isElsewhere(type)).map((condition) => placed(condition, place)),
    action,
  };
}

/** Where people look first: NVMLReady, and whatever is bad. */
function placed(condition: ConditionInput, place: string): ConditionInput {
  const { type, status, message } = condition;
  const isPlaced = status === "False" || (status === "True" && type === NVML_READY);
  return isPlaced ? { ...condition, message: `${place}: ${message}` } : condition;
}

function placeOf(gpu: string, { gpuInstance, computeInstance }: MigInstance): string {
  const ids = [
    gpuInstance === undefined ? "MIG instance" : `GPU instance ${gpuInstance}`,
    ...(computeInstance === undefined ? [] : [`compute instance ${computeInstance}`]),
  ];
  return `${ids.join(", ")} of ${gpu}`;
}
