/** The entry point `device-api-client`: connections, typed calls and informers, and the objects that they are about. */
export type { Condition, Gpu, GpuSpec, GpuStatus, ObjectMeta } from "../gen/device/v1alpha1/gpu_pb.ts";
export * from "./entry/client.ts";
export * from "./entry/informers.ts";
