/** The messages and services of nvidia.device.v1alpha1: the entry point `device-api-client/gen`. */
export * from "../../gen/device/v1alpha1/gpu_pb.ts";
export * from "../../gen/device/v1alpha1/provider_pb.ts";
