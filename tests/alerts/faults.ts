import { connect } from "node:http2";
import { GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import type { FakeNvml } from "../../src/testing/fake-nvml.ts";
import type { RunningBinary } from "../support/binary.ts";
import { waitsForEvents } from "../support/nvml-events.ts";
import { TestClient } from "../support/test-client.ts";

const { getGpu, listGpus, watchGpus } = GpuService.method;
const { registerGpu, heartbeat } = ProviderService.method;

/** A request without fields, as gRPC frames it. */
const EMPTY_MESSAGE = Buffer.alloc(5);
/** Against hangs. */
const WATCH_LIMIT_MS = 60_000;

/** One machine on which each GPU has something else; the last has retired pages. */
export const GPU_FAULTS: readonly string[] = [
  "xid 0 79",
  "xid 0 31 count=12",
  "gpu 1 ecc_volatile_uncorrected=+2 sram_threshold=1",
  "gpu 1 remapped_uncorrected=3 remap_pending=1 remap_failed=1",
  "link 2 0,1 down",
  "gpu 2 temperature=86",
  "xid none 31",
];

export async function playFaults(fake: FakeNvml): Promise<void> {
  await waitsForEvents(fake);
  for (const command of GPU_FAULTS) fake.command(command);
}

/** Calls of every kind: answered, refused, a watch that stays, and a provider that falls silent. */
export class Callers implements Disposable {
  readonly #binary: RunningBinary;
  readonly #unix: TestClient;
  readonly #tcp: TestClient;

  constructor(binary: RunningBinary) {
    this.#binary = binary;
    this.#unix = new TestClient(binary.unixTarget);
    this.#tcp = new TestClient(binary.tcpTarget);
  }

  async come(): Promise<void> {
    await this.#unix.stream(watchGpus, {}).messagesUpTo(1);
    await this.#unix.call(heartbeat, { providerId: "silent" });
    await this.callOnce();
  }

  async callOnce(): Promise<void> {
    await this.#unix.call(listGpus, {});
    await this.#unix.failure(getGpu, { name: "nobody" });
    await this.#tcp.failure(registerGpu, { name: "refused" });
  }

  /**
   * Asks the server to end while a watch takes no data: the others end with UNAVAILABLE, and it goes on to show its
   * metrics until that watch is released.
   */
  async holdDrain(): Promise<AsyncDisposable> {
    const settings = { initialWindowSize: 0 };
    const session = connect(`http://${this.#binary.tcpTarget}`, { settings }).on("error", () => {});
    const path = "/nvidia.device.v1alpha1.GpuService/WatchGpus";
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
    const request = session.request(headers).on("error", () => {});
    request.end(EMPTY_MESSAGE);
    const deadline = performance.now() + WATCH_LIMIT_MS;
    while ((await this.#binary.metric("device_api_server_watch_streams_active")) < 2) {
      if (performance.now() > deadline) throw new Error("the second watch does not begin");
      await Bun.sleep(20);
    }
    this.#binary.process.kill("SIGTERM");
    return {
      [Symbol.asyncDispose]: async () => {
        session.destroy();
        await this.#binary.process.exited;
      },
    };
  }

  [Symbol.dispose](): void {
    this.#unix[Symbol.dispose]();
    this.#tcp[Symbol.dispose]();
  }
}
