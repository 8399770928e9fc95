import type { Connection } from "./connection/connection.ts";
import { createDeviceV1alpha1Client, type DeviceV1alpha1Client } from "./device/v1alpha1/client.gen.ts";
import { createProviderClient, type ProviderClient } from "./provider-client.ts";
import { type ClientSystem, processSystem } from "./system.ts";

/** The API group nvidia.device.v1alpha1. */
export interface DeviceV1alpha1 extends DeviceV1alpha1Client {
  /** For those who report health: calls under this provider's id. */
  providers(id: string): ProviderClient;
}

export interface Clientset {
  deviceV1alpha1(): DeviceV1alpha1;
}

/** Typed calls over a connection, which stays the caller's to close. */
export function createClientset(connection: Connection, system: ClientSystem = processSystem): Clientset {
  const device: DeviceV1alpha1 = {
    ...createDeviceV1alpha1Client(connection),
    providers: (id) => createProviderClient(connection, id, system),
  };
  return { deviceV1alpha1: () => device };
}
