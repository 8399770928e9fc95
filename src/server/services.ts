import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import { file_device_v1alpha1_gpu, GpuService } from "../gen/device/v1alpha1/gpu_pb.ts";
import { file_device_v1alpha1_provider, ProviderService } from "../gen/device/v1alpha1/provider_pb.ts";
import { AdminService, file_deviceapi_admin_v1alpha1_admin } from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { file_grpc_health_v1_health } from "../gen/grpc/health/v1/health_pb.ts";
import type { Provider } from "../provider/provider.ts";
import { createAdminService, type Simulation } from "../service/admin-service.ts";
import { AuditLog } from "../service/audit-log.ts";
import type { Method } from "../service/call.ts";
import { createGpuService } from "../service/gpu-service.ts";
import { createHealthService } from "../service/health-service.ts";
import { createProviderService, type UpdateOperation } from "../service/provider-service.ts";
import { createRecentEvents, type RecentEvents } from "../service/recent-events.ts";
import { createReflectionService } from "../service/reflection-service.ts";
import type { Store } from "../store/store.ts";

/** The method whose open streams are the watches. */
export const WATCH_METHOD = `${GpuService.typeName}/WatchGpus`;

/** What reflection describes, beside itself. */
const SERVED_FILES = [
  file_device_v1alpha1_gpu,
  file_device_v1alpha1_provider,
  file_deviceapi_admin_v1alpha1_admin,
  file_grpc_health_v1_health,
];

export interface ServicesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** The built-in ones that run. */
  readonly providers: readonly Provider[];
  readonly simulation: Simulation | undefined;
  onUpdate(operation: UpdateOperation): void;
}

export interface Services {
  readonly methods: readonly Method[];
  readonly events: RecentEvents;
  /** What grpc.health.v1 answers from now on. */
  setServing(serving: boolean): void;
}

/** Every service that the server answers for. */
export function createServices(options: ServicesOptions): Services {
  const { store, clock, log, onUpdate } = options;
  const audit = new AuditLog(clock, log);
  const events = createRecentEvents(store, audit);
  const health = createHealthService([GpuService.typeName, ProviderService.typeName, AdminService.typeName]);
  const methods = [
    ...createGpuService(store),
    ...createProviderService({ store, log, onUpdate }),
    ...createAdminService({ ...options, audit, events }),
    ...health.methods,
    ...createReflectionService(SERVED_FILES).methods,
  ];
  return { methods, events, setServing: (serving) => health.setServing(serving) };
}
