import { create } from "@bufbuild/protobuf";
import type { Connection } from "../client/connection/connection.ts";
import { type GpuList, GpuListSchema, GpuService } from "../gen/device/v1alpha1/gpu_pb.ts";

export interface FoundGpus {
  readonly list: GpuList;
  /** Names that no GPU has; of several. One alone that is missing is the server's NOT_FOUND. */
  readonly missing: readonly string[];
}

/** All GPUs, or those named, in the order of the names; several are shown as they are at one instant. */
export async function fetchGpus(client: Connection, names: readonly string[], timeoutMs: number): Promise<FoundGpus> {
  const [name] = names;
  if (names.length === 1 && name !== undefined) {
    const { gpu } = await client.unary(GpuService.method.getGpu, { name }, { timeoutMs });
    return { list: create(GpuListSchema, { items: gpu === undefined ? [] : [gpu] }), missing: [] };
  }
  const reply = await client.unary(GpuService.method.listGpus, {}, { timeoutMs });
  const list = reply.gpuList ?? create(GpuListSchema);
  if (names.length === 0) return { list, missing: [] };
  const byName = new Map(list.items.map((gpu) => [gpu.metadata?.name.toLowerCase(), gpu]));
  const missing = names.filter((one) => !byName.has(one.toLowerCase()));
  list.items = names.flatMap((one) => byName.get(one.toLowerCase()) ?? []);
  return { list, missing };
}
