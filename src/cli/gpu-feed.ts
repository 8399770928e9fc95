import type { CallOptions, Connection } from "../client/connection/connection.ts";
import { isExpired } from "../client/errors.ts";
import { type Gpu, GpuService, type WatchGpusResponse } from "../gen/device/v1alpha1/gpu_pb.ts";
import { AdminService, type Event } from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";

/** The GPUs of a server as they are now, and what changed last. */
export class GpuFeed {
  readonly #client: Connection;
  readonly #gpus = new Map<string, Gpu>();
  #events: readonly Event[] = [];

  constructor(client: Connection) {
    this.#client = client;
  }

  get gpus(): readonly Gpu[] {
    return [...this.#gpus.values()];
  }

  get events(): readonly Event[] {
    return this.#events;
  }

  /** Lists everything; resolves to the version of the list. */
  async list(limit: number, options: CallOptions): Promise<string> {
    const { gpuList } = await this.#client.unary(GpuService.method.listGpus, {}, options);
    await this.listEvents(limit, options);
    this.#gpus.clear();
    for (const gpu of gpuList?.items ?? []) this.#gpus.set(gpu.metadata?.name ?? "", gpu);
    return gpuList?.metadata?.resourceVersion ?? "";
  }

  async listEvents(limit: number, options: CallOptions): Promise<void> {
    this.#events = (await this.#client.unary(AdminService.method.listEvents, { limit }, options)).events;
  }

  /**
   * Follows every change after the version until the signal comes; `onChange` is told of each and waited for. Resolves
   * also where the version has expired: list again. Rejects where the server is gone.
   */
  async follow(version: string, signal: AbortSignal, onChange: (event: WatchGpusResponse) => unknown): Promise<void> {
    const request = { opts: { resourceVersion: version } };
    try {
      for await (const event of this.#client.serverStream(GpuService.method.watchGpus, request, { signal })) {
        this.#apply(event);
        await onChange(event);
      }
    } catch (error) {
      if (!isExpired(error)) throw error;
    }
  }

  #apply({ type, object }: WatchGpusResponse): void {
    const name = object?.metadata?.name;
    if (name === undefined) return;
    if (type === "DELETED") this.#gpus.delete(name);
    else this.#gpus.set(name, object as Gpu);
  }
}
