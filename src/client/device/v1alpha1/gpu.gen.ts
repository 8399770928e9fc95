import { type Gpu, GpuSchema, GpuService } from "../../../gen/device/v1alpha1/gpu_pb.ts";
import { defineResource } from "../../resource/definition.ts";
import type { ResourceDefinition } from "../../resource/types.ts";

export const gpus: ResourceDefinition<Gpu> = defineResource({
  kind: "Gpu",
  plural: "gpus",
  schema: GpuSchema,
  metadataOf: (gpu) => gpu.metadata,
  get: {
    method: GpuService.method.getGpu,
    request: (name, opts) => ({ name, opts }),
    objectOf: (reply) => reply.gpu,
  },
  list: { method: GpuService.method.listGpus, request: (opts) => ({ opts }), listOf: (reply) => reply.gpuList },
  watch: { method: GpuService.method.watchGpus, request: (opts) => ({ opts }), eventOf: (reply) => reply },
});
