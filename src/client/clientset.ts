import type { Gpu } from "../gen/device/v1alpha1/gpu_pb.ts";
import type { Connection } from "./connection/connection.ts";
import { gpus } from "./device/v1alpha1/gpu.gen.ts";
import { createProviderClient, type ProviderClient } from "./provider-client.ts";
import { createResourceClient } from "./resource/resource-client.ts";
import type { ResourceClient } from "./resource/types.ts";
import { type ClientSystem, processSystem } from "./system.ts";

/** The API group nvidia.device.v1alpha1. */
export interface DeviceV1alpha1 {
  gpus(): ResourceClient<Gpu>;
  /** For those who report health: calls under this provider's id. */
  providers(id: string): ProviderClient;
}

export interface Clientset {
  deviceV1alpha1(): DeviceV1alpha1;
}

/** Typed calls over a connection, which stays the caller's to close. */
export function createClientset(connection: Connection, system: ClientSystem = processSystem): Clientset {
  const gpuClient = createResourceClient(connection, gpus);
  const device: DeviceV1alpha1 = {
    gpus: () => gpuClient,
    providers: (id) => createProviderClient(connection, id, system),
  };
  return { deviceV1alpha1: () => device };
}
