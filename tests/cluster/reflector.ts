import { type Gpu, GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { TestClient } from "../support/test-client.ts";

/** List, watch from that version, and list again whenever the watch ends, as an informer does it. */
export class Reflector implements Disposable {
  readonly #target: string;
  #client: TestClient;
  #stopped = false;
  /** What it holds, by name. */
  readonly gpus = new Map<string, Gpu>();
  lists = 0;
  /** Versions must rise within one life of the server. */
  readonly faults: string[] = [];

  constructor(target: string) {
    this.#target = target;
    this.#client = new TestClient(target);
    void this.#run();
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#client[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#listAndWatch().catch(() => {});
      if (this.#stopped) return;
      await Bun.sleep(100);
      this.#client[Symbol.dispose]();
      this.#client = new TestClient(this.#target);
    }
  }

  async #listAndWatch(): Promise<void> {
    const { gpuList } = await this.#client.call(GpuService.method.listGpus, {});
    this.lists++;
    this.gpus.clear();
    for (const gpu of gpuList?.items ?? []) this.gpus.set(gpu.metadata?.name ?? "", gpu);
    let version = BigInt(gpuList?.metadata?.resourceVersion ?? "0");
    const watch = this.#client.stream(GpuService.method.watchGpus, { opts: { resourceVersion: `${version}` } });
    for (let seen = 0; ; seen++) {
      await watch.until(() => watch.messages.length > seen || watch.end !== undefined, "an event", 2 ** 30);
      const event = watch.messages[seen];
      if (event?.object === undefined) return;
      const next = event.object.resourceVersion;
      if (next <= version) this.faults.push(`version ${next} after ${version}`);
      version = next;
      const name = event.object.metadata?.name ?? "";
      if (event.type === "DELETED") this.gpus.delete(name);
      else this.gpus.set(name, event.object);
    }
  }
}
