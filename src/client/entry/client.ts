/** Connections and typed calls: the entry point `device-api-client/client`, which generated code builds on too. */
export type { BackoffLimits } from "../../base/backoff.ts";
export type { Clock, Scheduler } from "../../base/clock.ts";
export type { LogFields, LogValue } from "../../base/log.ts";
export { Code, type CodeName } from "../../base/status-error.ts";
export { type Clientset, createClientset, type DeviceV1alpha1 } from "../clientset.ts";
export type { Keepalive } from "../connection/channel.ts";
export { type ConnectOptions, connect } from "../connection/connect.ts";
export type { CallOptions, Connection, StreamOptions } from "../connection/connection.ts";
export type { Pem, TlsOptions } from "../connection/credentials.ts";
export type { Call, Interceptor, StreamCall, StreamNext, UnaryCall, UnaryNext } from "../connection/interceptor.ts";
export { type CallEnd, logCalls, observeCalls, type WriteLogLine } from "../connection/observe.ts";
export type { RetryPolicy } from "../connection/retry.ts";
export {
  createDeviceV1alpha1Client,
  type DeviceV1alpha1Client,
  deviceV1alpha1Resources,
} from "../device/v1alpha1/client.gen.ts";
export { type GpuClient, gpus } from "../device/v1alpha1/gpu.gen.ts";
export {
  ApiError,
  type ErrorCode,
  isAlreadyExists,
  isCancelled,
  isConnectionClosed,
  isDeadlineExceeded,
  isExpired,
  isInvalidArgument,
  isNotFound,
  isPermissionDenied,
  isResourceExhausted,
  isUnavailable,
  isUnimplemented,
} from "../errors.ts";
export type { KeepAlive, KeepAliveOptions } from "../keep-alive.ts";
export type { ProviderClient, Registration } from "../provider-client.ts";
export {
  defineResource,
  type ObjectList,
  type ObjectMetadata,
  type ResourceDescription,
  type WireEvent,
} from "../resource/definition.ts";
export { createResourceClient } from "../resource/resource-client.ts";
export {
  type EventType,
  type GetOptions,
  type ListerWatcher,
  type ListOptions,
  type RequestOptions,
  type ResourceClient,
  type ResourceDefinition,
  type ResourceList,
  resourceKey,
  type WatchEvent,
  type WatchOptions,
} from "../resource/types.ts";
export { type ClientSystem, type Environment, processSystem } from "../system.ts";
export { DEFAULT_TARGET, parseTarget, TARGET_VARIABLE, type Target } from "../target.ts";
export { CLIENT_VERSION } from "../version.ts";
