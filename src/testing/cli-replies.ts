import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Clock } from "../base/clock.ts";
import type { GpuSchema } from "../gen/device/v1alpha1/gpu_pb.ts";

/** What a scripted server tells a command, and when that is. */

export const NOW_S = 1_790_000_000;
export const CLI_CLOCK: Clock = { wallUs: () => NOW_S * 1e6, monotonicMs: () => performance.now() };

/** A GPU whose Ready has this status since 90 s before now. */
export function gpuReply(name: string, status = "True", version = 7): MessageInitShape<typeof GpuSchema> {
  const bad = status === "False";
  return {
    metadata: { name, resourceVersion: String(version) },
    spec: { uuid: `GPU-${name}` },
    status: {
      conditions: [
        {
          type: "Ready",
          status,
          reason: bad ? "XidError" : "Fine",
          lastTransitionTime: { seconds: BigInt(NOW_S - 90) },
        },
      ],
      recommendedAction: bad ? "RESTART_BM" : "NONE",
    },
    resourceVersion: BigInt(version),
  };
}
