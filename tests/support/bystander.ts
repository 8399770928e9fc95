import { GpuService, type WatchGpusResponse } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { failureOf, type StreamReader, TestClient } from "./test-client.ts";

/** Times in milliseconds, one for each time that it was tried. */
export interface Served {
  readonly get: readonly number[];
  readonly list: readonly number[];
  /** From the call that changes a GPU to the change in the watch. */
  readonly update: readonly number[];
}

export const BYSTANDER = "bystander";
const PROVIDER = "bystander-provider";
const PAUSE_MS = 50;
/** Against hangs of a test: what is not answered by then is a failure with DEADLINE_EXCEEDED. */
const ANSWER_MS = 20_000;

const { getGpu, listGpus, watchGpus } = GpuService.method;
const { registerGpu, updateGpuCondition } = ProviderService.method;

/**
 * Who has nothing to do with NVML: another provider with a GPU of its own, and a consumer with a watch. Gets, lists,
 * and changes the GPU, all the time; what is not answered, or does not come through the watch, is a failure.
 */
export class Bystander {
  readonly failures: string[] = [];
  readonly #client: TestClient;
  readonly #watch: StreamReader<WatchGpusResponse>;
  readonly #ended: Promise<void>;
  #times = { get: [] as number[], list: [] as number[], update: [] as number[] };
  #stopped = false;

  constructor(target: string, pauseMs = PAUSE_MS) {
    this.#client = new TestClient(target);
    this.#watch = this.#client.stream(watchGpus, {});
    this.#ended = this.#run(pauseMs);
  }

  /** What was served since the last time that this was asked, or `count` times from now on. */
  async served(count = 0): Promise<Served> {
    while (this.#times.update.length < count && this.failures.length === 0) await Bun.sleep(PAUSE_MS);
    const served = this.#times;
    this.#times = { get: [], list: [], update: [] };
    return served;
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    // What is under way may still be answered.
    void this.#ended.finally(() => this.#client[Symbol.dispose]());
  }

  async #run(pauseMs: number): Promise<void> {
    const deadline = () => ({ deadline: Date.now() + ANSWER_MS });
    try {
      await this.#client.call(registerGpu, { name: BYSTANDER, providerId: PROVIDER }, deadline());
      for (let round = 0; !this.#stopped; round++) {
        const { get, list, update } = this.#times;
        await timed(get, () => this.#client.call(getGpu, { name: BYSTANDER }, deadline()));
        await timed(list, () => this.#client.call(listGpus, {}, deadline()));
        await timed(update, () => this.#change(`round-${round}`, deadline()));
        await Bun.sleep(pauseMs);
      }
    } catch (error) {
      // A server that stops answers nobody.
      const { code, details } = failureOf(error);
      if (!this.#stopped) this.failures.push(`${code ?? ""} ${details ?? String(error)}`);
    }
  }

  async #change(reason: string, options: { readonly deadline: number }): Promise<void> {
    const condition = { type: "Bystander", status: "True", reason };
    const call = this.#client.call(updateGpuCondition, { name: BYSTANDER, providerId: PROVIDER, condition }, options);
    const has = ({ object }: WatchGpusResponse) =>
      object?.status?.conditions.some(({ type, reason: is }) => type === "Bystander" && is === reason) === true;
    const first = this.#watch.messages.length;
    const seen = this.#watch.until(() => this.#watch.messages.slice(first).some(has), reason, ANSWER_MS);
    await Promise.all([call, seen]);
  }
}

async function timed(into: number[], action: () => Promise<unknown>): Promise<void> {
  const started = performance.now();
  await action();
  into.push(performance.now() - started);
}
