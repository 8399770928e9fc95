import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConditionSchema, GpuSpecSchema, GpuStatusSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import {
  type HeartbeatResponse,
  ProviderService,
  type RegisterGpuResponse,
  type UnregisterGpuResponse,
  type UpdateGpuConditionResponse,
  type UpdateGpuStatusResponse,
} from "../gen/device/v1alpha1/provider_pb.ts";
import type { CallOptions, Connection } from "./connection/connection.ts";
import { type KeepAlive, type KeepAliveOptions, startKeepAlive } from "./keep-alive.ts";
import type { ClientSystem } from "./system.ts";

export interface Registration {
  /** What the GPU is. Only the provider that registered it first may change it. Default: nothing is said of it. */
  readonly spec?: MessageInitShape<typeof GpuSpecSchema>;
  /** Counts only where this provider has no condition on the GPU yet. Default: none. */
  readonly initialStatus?: MessageInitShape<typeof GpuStatusSchema>;
}

/**
 * Reports on GPUs under one provider id. Rejects with ApiError, in the server's words. A call that was repeated after a
 * lost connection does no more than one, but `created` and `deleted` may be the answer to the repetition.
 */
export interface ProviderClient {
  /** "" stands for the caller's identity. */
  readonly id: string;
  register(name: string, registration?: Registration, options?: CallOptions): Promise<RegisterGpuResponse>;
  /** Takes away what any provider of the caller's identity has registered and reported there: the call names no id. */
  unregister(name: string, options?: CallOptions): Promise<UnregisterGpuResponse>;
  /** Replaces all conditions of this provider and its advice. */
  updateStatus(
    name: string,
    status: MessageInitShape<typeof GpuStatusSchema>,
    options?: CallOptions,
  ): Promise<UpdateGpuStatusResponse>;
  /** Replaces one condition of this provider. */
  updateCondition(
    name: string,
    condition: MessageInitShape<typeof ConditionSchema>,
    options?: CallOptions,
  ): Promise<UpdateGpuConditionResponse>;
  /** Takes the lease, or renews it. acknowledged=false: it had run out; write the complete state again. */
  heartbeat(gpuNames?: readonly string[], options?: CallOptions): Promise<HeartbeatResponse>;
  /** Sends heartbeats until it is disposed. */
  keepAlive(options: KeepAliveOptions): KeepAlive;
}

export function createProviderClient(connection: Connection, id: string, system: ClientSystem): ProviderClient {
  const { registerGpu, unregisterGpu, updateGpuStatus, updateGpuCondition, heartbeat } = ProviderService.method;
  const providerId = id;
  const client: ProviderClient = {
    id,
    register: (name, registration = {}, options = {}) =>
      connection.unary(registerGpu, { name, providerId, ...registration }, options),
    unregister: (name, options = {}) => connection.unary(unregisterGpu, { name }, options),
    updateStatus: (name, status, options = {}) =>
      connection.unary(updateGpuStatus, { name, providerId, status }, options),
    updateCondition: (name, condition, options = {}) =>
      connection.unary(updateGpuCondition, { name, providerId, condition }, options),
    heartbeat: (gpuNames = [], options = {}) =>
      connection.unary(heartbeat, { providerId, gpuNames: [...gpuNames] }, options),
    keepAlive(options) {
      const send = async (gpuNames: readonly string[], timeoutMs: number, signal: AbortSignal) =>
        (await client.heartbeat(gpuNames, { timeoutMs, signal })).acknowledged;
      return startKeepAlive(connection, send, options, system);
    },
  };
  return client;
}
