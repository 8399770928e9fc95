import { type Condition, type Gpu, GpuService, type WatchGpusResponse } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import type { StreamReader, TestClient } from "./test-client.ts";

/** A guard against hangs: what is waited for takes a period or a quiet period. */
const LIMIT_MS = 90_000;

export interface Seen {
  /** Undefined where the GPU is not there. */
  readonly gpu: Gpu | undefined;
  /** performance.now() when it arrived. */
  readonly atMs: number;
}

/** The state of every GPU as one watch tells it, event by event. */
export class GpuWatch implements Disposable {
  readonly latest = new Map<string, Gpu>();
  readonly #reader: StreamReader<WatchGpusResponse>;
  readonly #listeners = new Set<(name: string, seen: Seen) => void>();

  constructor(client: TestClient) {
    this.#reader = client.stream(GpuService.method.watchGpus, {});
    // The reader's own listener comes first, so that the message is decoded by then.
    this.#reader.call.on("data", () => this.#take(this.#reader.messages.at(-1)));
  }

  /** Every event so far, the snapshot first. */
  get messages(): readonly WatchGpusResponse[] {
    return this.#reader.messages;
  }

  [Symbol.dispose](): void {
    this.#reader.call.cancel();
  }

  /** Resolves when so many GPUs are there, to their names in the order of the scripted machine's places. */
  async names(count: number): Promise<readonly string[]> {
    await this.#reader.until(() => this.latest.size >= count, `${count} GPUs`, LIMIT_MS);
    const byBus = [...this.latest].map(([name, gpu]) => [busOf(gpu), name] as const);
    return byBus.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, name]) => name);
  }

  /** The GPU's present state where that satisfies, else the first that does. */
  async until(name: string, holds: (gpu: Gpu | undefined) => boolean, what: string): Promise<Seen> {
    const gpu = this.latest.get(name);
    return holds(gpu) ? { gpu, atMs: performance.now() } : await this.next(name, holds, what);
  }

  /** The GPU's first state from now on that satisfies. */
  next(name: string, holds: (gpu: Gpu | undefined) => boolean, what: string): Promise<Seen> {
    const { promise, resolve, reject } = Promise.withResolvers<Seen>();
    const listener = (about: string, seen: Seen) => {
      if (about === name && holds(seen.gpu)) resolve(seen);
    };
    const late = () =>
      reject(new Error(`${what}: not within ${LIMIT_MS} ms; last seen: ${stateOf(this.latest.get(name))}`));
    const timer = setTimeout(late, LIMIT_MS);
    this.#listeners.add(listener);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#listeners.delete(listener);
    });
  }

  #take(message: WatchGpusResponse | undefined): void {
    const name = message?.object?.metadata?.name ?? "";
    const gpu = message?.type === "DELETED" ? undefined : message?.object;
    if (gpu === undefined) this.latest.delete(name);
    else this.latest.set(name, gpu);
    for (const listener of [...this.#listeners]) listener(name, { gpu, atMs: performance.now() });
  }
}

export function conditionOf(gpu: Gpu | undefined, type: string): Condition | undefined {
  return gpu?.status?.conditions.find((condition) => condition.type === type);
}

/** As STATUS/REASON. */
export function shortOf(gpu: Gpu | undefined, type: string): string {
  const found = conditionOf(gpu, type);
  return found === undefined ? "not reported" : `${found.status}/${found.reason}`;
}

/** "NVIDIA H100 80GB HBM3 at 00000000:01:00.0": places follow each other on the bus. */
function busOf(gpu: Gpu): string {
  return /at ([0-9A-F]{8}:[0-9A-F]{2}):/.exec(conditionOf(gpu, "NVMLReady")?.message ?? "")?.[1] ?? "";
}

function stateOf(gpu: Gpu | undefined): string {
  if (gpu === undefined) return "not there";
  return (gpu.status?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status}/${reason}`).join(" ");
}
