import type { StatusInput } from "../../store/types.ts";
import { FLEET_MAX, type FleetGpu, UUID_FORM } from "./fleet.ts";
import type { Outage, StatusOptions } from "./gpu-status.ts";
import { statusOf } from "./gpu-status.ts";
import { statusOfInstance } from "./instance-status.ts";

/**
 * What consumers see, by UUID: every GPU, and beside it its MIG instances where they are looked for. GPUs come first,
 * so that no instance can take the place or the name of one.
 */
export function objectsOf(
  gpus: ReadonlyMap<string, FleetGpu>,
  outage: Outage | undefined,
  options: StatusOptions,
): ReadonlyMap<string, StatusInput> {
  const objects = new Map<string, StatusInput>();
  for (const [uuid, { health }] of gpus) objects.set(uuid, statusOf(health, outage, options));
  for (const { health } of gpus.values()) {
    for (const instance of health.known?.instances ?? []) {
      const { uuid } = instance;
      if (objects.has(uuid) || objects.size >= FLEET_MAX || !UUID_FORM.test(uuid)) continue;
      objects.set(uuid, statusOfInstance(health, instance, outage, options));
    }
  }
  return objects;
}

/** MIG instances for which there is no room beside the GPUs. */
export function instancesLeftOut(gpus: ReadonlyMap<string, FleetGpu>): number {
  const names = new Set(gpus.keys());
  for (const { health } of gpus.values()) {
    for (const { uuid } of health.known?.instances ?? []) if (UUID_FORM.test(uuid)) names.add(uuid);
  }
  return Math.max(0, names.size - FLEET_MAX);
}
