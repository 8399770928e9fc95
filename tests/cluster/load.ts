import * as grpc from "@grpc/grpc-js";
import { GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { pathOf, TestClient } from "../support/test-client.ts";

type Kind = "update" | "list" | "get";

/** What a second of load came to, for each kind of call, and how many events the watchers got. */
export interface LoadResult {
  readonly calls: number;
  readonly events: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Load {
  readonly seconds: number;
  /** Calls begun in each second, evenly; undefined for the next as soon as one has ended. */
  readonly callsPerSecond?: Readonly<Record<Kind, number>>;
  readonly watchers: number;
}

/** Who writes: a provider of its own beside NVML, with one condition on each GPU. */
const PROVIDER = "load";
/** Watches share connections, as the consumers of one program do. */
const WATCHES_PER_CONNECTION = 10;
/** Until every watch has its first events. */
const SETTLING_MS = 3_000;

export async function playLoad(target: string, load: Load): Promise<LoadResult> {
  using client = new TestClient(target);
  const { gpuList } = await client.call(GpuService.method.listGpus, {});
  const names = gpuList?.items.map(({ metadata }) => metadata?.name ?? "") ?? [];
  if (names.length === 0) throw new Error("there is no GPU to put load on");
  using watches = new Watches(target, load.watchers);
  await Bun.sleep(SETTLING_MS);
  const before = watches.events;
  const end = performance.now() + load.seconds * 1_000;
  const each = Object.entries(callsOn(client, names)).map(([kind, call]) => {
    const rate = load.callsPerSecond?.[kind as Kind];
    return rate === undefined ? inLoop(call, end) : atRate(call, rate, end);
  });
  const times = (await Promise.all(each)).flat().sort((a, b) => a - b);
  if (watches.ended > 0) throw new Error(`${watches.ended} watches ended under the load`);
  return {
    calls: Math.round(times.length / load.seconds),
    events: Math.round((watches.events - before) / load.seconds),
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
  };
}

function callsOn(client: TestClient, names: readonly string[]): Record<Kind, () => Promise<unknown>> {
  let count = 0;
  const name = () => names[count++ % names.length] ?? "";
  return {
    update: () => {
      const condition = { type: "LoadSeen", status: "True", reason: "Load", message: `change ${count}` };
      const request = { name: name(), providerId: PROVIDER, condition };
      return client.call(ProviderService.method.updateGpuCondition, request);
    },
    list: () => client.call(GpuService.method.listGpus, {}),
    get: () => client.call(GpuService.method.getGpu, { name: name() }),
  };
}

/** The next as soon as one has ended; how long each took, in milliseconds. */
async function inLoop(call: () => Promise<unknown>, end: number): Promise<number[]> {
  const times: number[] = [];
  while (performance.now() < end) times.push(await timed(call));
  return times;
}

/** Each at its time, whether or not the one before has ended. */
async function atRate(call: () => Promise<unknown>, rate: number, end: number): Promise<number[]> {
  const times: Promise<number>[] = [];
  for (let next = performance.now(); next < end; next += 1_000 / rate) {
    const wait = next - performance.now();
    if (wait > 1) await Bun.sleep(wait);
    times.push(timed(call));
  }
  return Promise.all(times);
}

async function timed(call: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await call();
  return performance.now() - started;
}

/** Counts what comes and decodes none of it: the load is to be the server's. */
class Watches implements Disposable {
  readonly #connections: readonly grpc.Client[];
  #disposed = false;
  events = 0;
  ended = 0;

  constructor(target: string, count: number) {
    const options = { "grpc.use_local_subchannel_pool": 1 };
    const connect = () => new grpc.Client(target, grpc.credentials.createInsecure(), options);
    this.#connections = Array.from({ length: Math.ceil(count / WATCHES_PER_CONNECTION) }, connect);
    for (let i = 0; i < count; i++) this.#open(this.#connections[i % this.#connections.length] as grpc.Client);
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    for (const connection of this.#connections) connection.close();
  }

  #open(connection: grpc.Client): void {
    const path = pathOf(GpuService.method.watchGpus);
    const same = (bytes: Buffer) => bytes;
    const call = connection.makeServerStreamRequest(path, same, same, Buffer.alloc(0));
    call.on("data", () => this.events++);
    call.on("error", () => {});
    call.on("status", () => {
      if (!this.#disposed) this.ended++;
    });
  }
}

function quantile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return Math.round(value * 10) / 10;
}
