/** Caches that follow the server: the entry point `device-api-client/informers`, which generated code builds on too. */
export type { GpuInformer, GpuLister } from "../device/v1alpha1/gpu.gen.ts";
export { createDeviceV1alpha1Informers, type DeviceV1alpha1Informers } from "../device/v1alpha1/informers.gen.ts";
export { createInformerFactory, type InformerSource, type SharedInformerFactory } from "../informer-factory.gen.ts";
export type { HandlerRegistration, ResourceEventHandler } from "../informers/event-handler.ts";
export type { CallbackFault } from "../informers/faults.ts";
export type { Indexers, IndexFunction, Lister } from "../informers/indexer.ts";
export { accessInformer, type InformerAccess } from "../informers/informer-access.ts";
export { type InformedResource, InformerFactory } from "../informers/informer-factory.ts";
export type { ObjectAccess } from "../informers/object-cache.ts";
export type { ReflectorFault, ReflectorRuntime } from "../informers/reflector.ts";
export {
  createSharedInformer,
  type HandlerOptions,
  type InformerOptions,
  type SharedInformer,
} from "../informers/shared-informer.ts";
export { type Deleted, DeletedFinalStateUnknown, lastStateOf } from "../informers/tombstone.ts";
