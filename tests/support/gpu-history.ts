import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type Gpu,
  GpuService,
  WatchGpusRequestSchema,
  WatchGpusResponseSchema,
} from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import type { Conditions, GpuCall, SeenGpu } from "../../src/testing/gpu-register.ts";
import type { Operation } from "../../src/testing/linearisability.ts";
import { Prng } from "../../src/testing/prng.ts";
import type { SeenAnswer, SeenEvent, SeenList } from "../../src/testing/snapshot-check.ts";
import { frame, type Http2Client } from "./http2-client.ts";
import { pathOf } from "./test-client.ts";

const { getGpu, listGpus, watchGpus } = GpuService.method;
const { registerGpu, unregisterGpu, updateGpuStatus, updateGpuCondition } = ProviderService.method;

/** Few, so that clients meet on the same ones; few words, so that some writes change nothing. */
const NAMES = ["gpu-0", "gpu-1", "gpu-2", "gpu-3"] as const;
const TYPES = ["MemoryHealthy", "PcieHealthy"] as const;
const STATUSES = ["True", "False", "Unknown"] as const;
const REASONS = ["A", "B", "C"] as const;
const CALLS = { register: 10, unregister: 4, status: 14, condition: 34, get: 26, list: 12 };
/** One for all clients: what they write stands in each other's way. */
const PROVIDER = "historian";

const OK = 0;
const NOT_FOUND = 5;
const GRPC_HEAD_BYTES = 5;

/** What was seen of one server by clients that called it all at once. */
export interface GpuHistory {
  readonly calls: ReadonlyMap<string, readonly Operation<GpuCall>[]>;
  readonly answers: readonly SeenAnswer[];
  /** The version before the first call; there is no GPU then. */
  readonly start: number;
  /** Of a watch from that version on. */
  readonly events: readonly SeenEvent[];
}

/** Plays calls by chance, each client one after the other, and takes all GPUs away in the end. */
export async function playHistory(clients: readonly Http2Client[], seed: number, calls: number): Promise<GpuHistory> {
  const player = new Player();
  const [first] = clients;
  if (first === undefined) throw new Error("no clients");
  const { version: start } = await player.list(first);
  using watch = openWatch(first, start);
  let left = calls;
  const lane = async (client: Http2Client, prng: Prng) => {
    while (left-- > 0) await player.play(client, prng);
  };
  await Promise.all(clients.map((client, i) => lane(client, new Prng(seed + i * 2 ** 40))));
  const { version: end } = await player.list(first);
  const events = await watch.upTo(end);
  for (const name of NAMES) await player.unregister(first, name);
  return { calls: player.calls, answers: player.answers, start, events };
}

class Player {
  readonly calls = new Map<string, Operation<GpuCall>[]>(NAMES.map((name) => [name, []]));
  readonly answers: SeenAnswer[] = [];
  #time = 0;

  async play(client: Http2Client, prng: Prng): Promise<void> {
    const name = prng.pick(NAMES);
    switch (prng.weighted(CALLS)) {
      case "register":
        return await this.register(client, name, prng.chance(50) ? randomConditions(prng) : {});
      case "unregister":
        return await this.unregister(client, name);
      case "status":
        return await this.status(client, name, randomConditions(prng));
      case "condition":
        return await this.condition(client, name, prng.pick(TYPES), randomWords(prng));
      case "get":
        return await this.get(client, name);
      case "list":
        await this.list(client);
    }
  }

  async register(client: Http2Client, name: string, conditions: Conditions): Promise<void> {
    const initialStatus = Object.keys(conditions).length === 0 ? {} : { initialStatus: statusOf(conditions) };
    await this.#observe(
      () => call(client, registerGpu, { name, providerId: PROVIDER, ...initialStatus }),
      (reply) => {
        const version = Number(reply?.resourceVersion);
        const seen: GpuCall = { do: "register", conditions, created: reply?.created ?? false, version };
        return { seen: [[name, seen]], version };
      },
    );
  }

  async unregister(client: Http2Client, name: string): Promise<void> {
    await this.#observe(
      () => call(client, unregisterGpu, { name }),
      (reply) => ({ seen: [[name, { do: "unregister", deleted: reply?.deleted ?? false }]], version: undefined }),
    );
  }

  async status(client: Http2Client, name: string, conditions: Conditions): Promise<void> {
    await this.#observe(
      () => call(client, updateGpuStatus, { name, providerId: PROVIDER, status: statusOf(conditions) }),
      (reply) => {
        const version = reply && Number(reply.resourceVersion);
        return { seen: [[name, { do: "status", conditions, version }]], version };
      },
    );
  }

  async condition(client: Http2Client, name: string, type: string, says: string): Promise<void> {
    await this.#observe(
      () => call(client, updateGpuCondition, { name, providerId: PROVIDER, condition: conditionOf(type, says) }),
      (reply) => {
        const version = reply && Number(reply.resourceVersion);
        return { seen: [[name, { do: "condition", type, says, version }]], version };
      },
    );
  }

  async get(client: Http2Client, name: string): Promise<void> {
    await this.#observe(
      () => call(client, getGpu, { name }),
      (reply) => {
        const gpu = reply?.gpu && seenGpu(reply.gpu);
        return { seen: [[name, { do: "read", gpu }]], version: gpu?.version };
      },
    );
  }

  /** Of every GPU it is a read, all at one moment. */
  async list(client: Http2Client): Promise<SeenList> {
    const { list } = await this.#observe(
      () => call(client, listGpus, {}),
      (reply) => {
        const items = (reply?.gpuList?.items ?? []).map((gpu) => [nameOf(gpu), seenGpu(gpu)] as const);
        const gpus = new Map(items);
        const version = Number(reply?.gpuList?.metadata?.resourceVersion);
        const seen = NAMES.map((name): [string, GpuCall] => [name, { do: "read", gpu: gpus.get(name) }]);
        return { seen, version, list: { version, gpus } };
      },
    );
    if (list === undefined) throw new Error("no list");
    return list;
  }

  async #observe<Reply>(
    send: () => Promise<Reply>,
    read: (reply: Reply) => { seen: [string, GpuCall][]; version: number | undefined; list?: SeenList },
  ): Promise<SeenAnswer> {
    const invokedAt = this.#time++;
    const reply = await send();
    const returnedAt = this.#time++;
    const { seen, version, list } = read(reply);
    for (const [name, one] of seen) this.calls.get(name)?.push({ call: one, invokedAt, returnedAt });
    const answer = { invokedAt, returnedAt, version, list };
    this.answers.push(answer);
    return answer;
  }
}

/** Undefined for NOT_FOUND; nothing else may fail. */
async function call<I extends DescMethodUnary>(
  client: Http2Client,
  method: I,
  init: MessageInitShape<I["input"]>,
): Promise<MessageShape<I["output"]> | undefined> {
  const request = toBinary(method.input, create(method.input, init));
  const { grpcStatus, grpcMessage, body } = await client.call({ path: pathOf(method), body: [frame(request)] });
  if (grpcStatus === NOT_FOUND) return undefined;
  if (grpcStatus !== OK) throw new Error(`${method.name} ended with ${grpcStatus}: ${grpcMessage}`);
  return fromBinary(method.output, body.subarray(GRPC_HEAD_BYTES)) as MessageShape<I["output"]>;
}

function openWatch(client: Http2Client, from: number) {
  const init = { opts: { resourceVersion: String(from) } };
  const request = toBinary(WatchGpusRequestSchema, create(WatchGpusRequestSchema, init));
  const { stream } = client.open({ path: pathOf(watchGpus), body: [frame(request)] });
  const events: SeenEvent[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let isOver = false;
  stream.on("close", () => {
    isOver = true;
  });
  stream.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= GRPC_HEAD_BYTES) {
      const end = GRPC_HEAD_BYTES + rest.readUInt32BE(1);
      if (rest.length < end) break;
      const { type, object } = fromBinary(WatchGpusResponseSchema, rest.subarray(GRPC_HEAD_BYTES, end));
      if (object !== undefined) events.push({ type, name: nameOf(object), gpu: seenGpu(object) });
      rest = rest.subarray(end);
    }
  });
  return {
    /** The events up to this version, and what came after it by then. */
    async upTo(version: number): Promise<readonly SeenEvent[]> {
      const limit = performance.now() + WATCH_LIMIT_MS;
      while (from + events.length < version && (events.at(-1)?.gpu.version ?? from) < version) {
        if (isOver || performance.now() > limit)
          throw new Error(`the watch from ${from} on does not get to ${version}`);
        await Bun.sleep(1);
      }
      return events;
    },
    [Symbol.dispose]: () => stream.close(CANCEL),
  };
}

/** RFC 9113, section 7. */
const CANCEL = 8;
/** Against hangs. */
const WATCH_LIMIT_MS = 20_000;

const nameOf = ({ metadata }: Gpu): string => metadata?.name ?? "";

function seenGpu({ resourceVersion, status }: Gpu): SeenGpu {
  const conditions = (status?.conditions ?? []).map(({ type, status: is, reason }) => {
    return [type, type === "Ready" ? is : `${is} ${reason}`] as const;
  });
  return { version: Number(resourceVersion), conditions: Object.fromEntries(conditions) };
}

function randomWords(prng: Prng): string {
  return `${prng.pick(STATUSES)} ${prng.pick(REASONS)}`;
}

/** Of some types, maybe of none. */
function randomConditions(prng: Prng): Conditions {
  return Object.fromEntries(TYPES.filter(() => prng.chance(70)).map((type) => [type, randomWords(prng)]));
}

function statusOf(conditions: Conditions) {
  return { conditions: Object.entries(conditions).map(([type, says]) => conditionOf(type, says)) };
}

function conditionOf(type: string, says: string) {
  const [status = "", reason = ""] = says.split(" ");
  return { type, status, reason };
}
