import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import {
  GetGpuResponseSchema,
  type Gpu,
  type GpuSchema,
  ListGpusResponseSchema,
  WatchGpusResponseSchema,
} from "../gen/device/v1alpha1/gpu_pb.ts";
import type { VisibleEvent, VisibleGpu } from "./commands.ts";

/** Replies and events as a consumer reads them, in the shape in which the model states them. */

export function readGet(bytes: Uint8Array): VisibleGpu {
  return visible(fromBinary(GetGpuResponseSchema, bytes).gpu);
}

export function readList(bytes: Uint8Array): { readonly version: number; readonly gpus: readonly VisibleGpu[] } {
  const list = fromBinary(ListGpusResponseSchema, bytes).gpuList;
  return { version: Number(list?.metadata?.resourceVersion), gpus: (list?.items ?? []).map(visible) };
}

export function readEvent(bytes: Uint8Array): VisibleEvent {
  const { type, object } = fromBinary(WatchGpusResponseSchema, bytes);
  if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") throw new Error(`an event of type ${type}`);
  const gpu = visible(object);
  return { type, version: gpu.version, gpu };
}

function visible(gpu: Gpu | undefined): VisibleGpu {
  if (gpu?.metadata === undefined || gpu.status === undefined) throw new Error("a GPU without metadata or status");
  const { name, namespace, resourceVersion } = gpu.metadata;
  if (resourceVersion !== String(gpu.resourceVersion)) throw new Error(`${name} has two versions`);
  if (namespace !== "") throw new Error(`${name} is in a namespace`);
  return {
    name,
    uuid: gpu.spec?.uuid ?? "",
    version: Number(resourceVersion),
    action: gpu.status.recommendedAction,
    conditions: gpu.status.conditions.map(({ type, status, reason, message, lastTransitionTime: time }) => ({
      type,
      status,
      reason,
      message,
      since: time === undefined ? -1n : time.seconds * 1_000_000_000n + BigInt(time.nanos),
    })),
  };
}

/** The message that a consumer would read as this GPU; for its encoded size. */
export function gpuMessage({
  name,
  uuid,
  version,
  action,
  conditions,
}: VisibleGpu): MessageInitShape<typeof GpuSchema> {
  return {
    metadata: { name, resourceVersion: String(version) },
    spec: { uuid },
    status: {
      recommendedAction: action,
      conditions: conditions.map(({ since, ...rest }) => ({
        ...rest,
        lastTransitionTime: { seconds: since / 1_000_000_000n, nanos: Number(since % 1_000_000_000n) },
      })),
    },
    resourceVersion: BigInt(version),
  };
}
