import { expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { GpuService, WatchGpusResponseSchema } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { DESCRIPTORS_RESERVED, readDescriptorLimit } from "../../src/transport/descriptor-limit.ts";
import { spawnBinary } from "../support/binary.ts";
import { eventually } from "../support/eventually.ts";
import { frame } from "../support/http2-client.ts";
import {
  connectRaw,
  END_HEADERS,
  END_STREAM,
  encodeFrame,
  encodeHeaders,
  FrameType,
  grpcHeaders,
  HELLO,
  type RawConnection,
} from "../support/http2-frames.ts";
import { type Memory, memoryOf } from "../support/process-cost.ts";
import { pathOf, TestClient } from "../support/test-client.ts";

/** T-CONN-1. */

const WATCHES = 10_000;
/** At once; fewer than the sockets that the kernel lets wait to be accepted. */
const BATCH = 100;
/** The promise: in all, and for each watch. */
const RESIDENT_MAX = 400e6;
const BYTES_PER_WATCH_MAX = 20_000;
/** Ten times what is aimed at on two cores. */
const FAN_OUT_P99_MAX_MS = 10_000;

const GRPC_HEAD_BYTES = 5;
const ACK = 0x1;
const WATCH_REQUEST = Buffer.concat([
  encodeFrame(FrameType.headers, END_HEADERS, 1, encodeHeaders(grpcHeaders(pathOf(GpuService.method.watchGpus)))),
  encodeFrame(FrameType.data, END_STREAM, 1, frame(Buffer.alloc(0))),
]);
const SETTINGS_ACK = encodeFrame(FrameType.settings, ACK, 0, Buffer.alloc(0));

/** The server's connections are the larger half: it keeps descriptors for other things. */
const needed = WATCHES + DESCRIPTORS_RESERVED + BATCH;
const descriptors = readDescriptorLimit();
const obstacle = descriptors < needed ? ` (needs ${needed} descriptors, and may have ${descriptors})` : "";

test.skipIf(obstacle !== "")(
  `ten thousand connections with a watch each are all told of a write, and cost 20 kB each${obstacle}`,
  async () => {
    const cap = WATCHES + BATCH;
    await using binary = await spawnBinary([`--max-connections=${cap}`, `--max-connections-per-uid=${cap}`]);
    using writer = new TestClient(binary.unixTarget);
    await writer.call(ProviderService.method.registerGpu, { name: "gpu-0" });
    const before = memoryOf(binary.process.pid);
    using crowd = new Crowd();
    while (crowd.size < WATCHES) await crowd.join(binary.socket, BATCH);

    const writtenMs = performance.now();
    const condition = { type: "MemoryHealthy", status: "True" };
    const write = { name: "gpu-0", condition };
    const { resourceVersion } = await writer.call(ProviderService.method.updateGpuCondition, write);
    await eventually(() => crowd.toldAtMs.length === WATCHES, "every watcher has the event");

    const after = memoryOf(binary.process.pid);
    const fanOutMs = crowd.toldAtMs.map((at) => at - writtenMs).sort((a, b) => a - b);
    report(before, after, fanOutMs);
    expect(crowd.versions()).toEqual(new Set([`2 events, the last MODIFIED ${resourceVersion}`]));
    expect(after.resident).toBeLessThan(RESIDENT_MAX);
    expect((after.resident - before.resident) / WATCHES).toBeLessThan(BYTES_PER_WATCH_MAX);
    expect(p99(fanOutMs)).toBeLessThan(FAN_OUT_P99_MAX_MS);
    expect(await binary.metric("device_api_server_watch_streams_active")).toBe(WATCHES);
    expect(await binary.metric("device_api_server_connections_rejected_total")).toBe(0);
  },
);

/** Watches on connections of their own, read with as little work as can be. */
class Crowd implements Disposable {
  /** When each got its second event. */
  readonly toldAtMs: number[] = [];
  readonly #watches: RawConnection[] = [];

  get size(): number {
    return this.#watches.length;
  }

  /** Resolves when each of them has its first event, the GPU that there is. */
  async join(path: string, count: number): Promise<void> {
    const watches = await Promise.all(Array.from({ length: count }, () => connectRaw(path)));
    let begun = 0;
    for (const watch of watches) {
      let seen = 0;
      watch.socket.on("data", () => {
        const events = eventsOf(watch).length;
        if (seen < 1 && events >= 1) begun++;
        if (seen < 2 && events >= 2) this.toldAtMs.push(performance.now());
        seen = events;
      });
      watch.send(HELLO, SETTINGS_ACK, WATCH_REQUEST);
    }
    this.#watches.push(...watches);
    await eventually(() => begun === count, "the watches have begun");
  }

  versions(): Set<string> {
    const texts = this.#watches.map((watch) => {
      const events = eventsOf(watch);
      const message = events.at(-1)?.payload.subarray(GRPC_HEAD_BYTES) ?? Buffer.alloc(0);
      const { type, object } = fromBinary(WatchGpusResponseSchema, message);
      return `${events.length} events, the last ${type} ${object?.resourceVersion}`;
    });
    return new Set(texts);
  }

  [Symbol.dispose](): void {
    for (const watch of this.#watches) watch[Symbol.dispose]();
  }
}

/** An event is shorter than a frame. */
function eventsOf({ frames }: RawConnection) {
  return frames.filter(({ type }) => type === FrameType.data);
}

function p99(sorted: readonly number[]): number {
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
}

function report(before: Memory, after: Memory, fanOutMs: readonly number[]): void {
  const each = ((after.resident - before.resident) / WATCHES / 1e3).toFixed(1);
  const memory = `${(after.resident / 1e6).toFixed(0)} MB, ${each} kB for each watch`;
  console.log(
    `T-CONN-1: ${memory}; fan-out p99 ${p99(fanOutMs).toFixed(0)} ms, last ${fanOutMs.at(-1)?.toFixed(0)} ms`,
  );
}
