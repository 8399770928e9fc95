import { invalidArgument, StatusError } from "../../base/status-error.ts";
import { SIMULATED_PROVIDER_ID } from "../../store/providers.ts";
import type { ConditionInput, StatusInput } from "../../store/types.ts";
import { xidOf } from "../nvml/xids/catalogue.ts";
import type { GpuReport, Provider, ProviderHost } from "../provider.ts";

/** --simulate takes up to this many, the most NVML ever shows on a node with MIG. */
export const SIMULATED_GPUS_MAX = 256;

const HEALTHY: StatusInput = {
  conditions: [
    { type: "NVMLReady", status: "True", reason: "Initialized", message: "simulated GPU is well", at: undefined },
  ],
  action: "",
};

/** Plays GPUs for trials, demonstrations and tests, through the interface that the real hardware uses. */
export class SimulatedProvider implements Provider {
  readonly id = SIMULATED_PROVIDER_ID;
  readonly #gpus: ReadonlyMap<string, GpuReport>;
  /** By name. */
  readonly #faults = new Map<string, ConditionInput>();
  #host: ProviderHost | undefined;

  constructor(count: number) {
    const gpus = Array.from({ length: count }, (_, i) => ({ name: `gpu-${i}`, uuid: uuidOf(i), status: HEALTHY }));
    this.#gpus = new Map(gpus.map((gpu) => [gpu.name, gpu]));
  }

  async start(host: ProviderHost): Promise<void> {
    this.#host = host;
    await host.publish([...this.#gpus.values()]);
  }

  /**
   * Plays an Xid; resolves to the GPU's version. No driver is there to ask, so a code that is left to the driver's
   * verdict makes the GPU unhealthy. Errors: NOT_FOUND, INVALID_ARGUMENT (an Xid that leaves a GPU healthy).
   */
  async breakGpu(name: string, xid: number): Promise<number> {
    const gpu = this.#find(name);
    const { mnemonic, description, effect, action } = xidOf(xid);
    if (effect === "none") {
      const problem = `${xid} (${mnemonic}) leaves a GPU healthy, so it breaks nothing`;
      throw invalidArgument(
        "xid",
        `${problem}: "device-api-server explain ${xid}" tells more, and --all has the others`,
      );
    }
    const message =
      `Xid ${xid} (${mnemonic}): ${description} (simulated); advice: ${action}; ` +
      `cleared by: simulate heal ${gpu.name}`;
    const condition = { type: "NVMLReady", status: "False", reason: "XidError", message, at: undefined } as const;
    const version = await this.#publish({ ...gpu, status: { conditions: [condition], action } });
    this.#faults.set(gpu.name, condition);
    return version;
  }

  /** Makes the GPU well again; resolves to its version. Errors: NOT_FOUND. */
  async healGpu(name: string): Promise<number> {
    const gpu = this.#find(name);
    const version = await this.#publish(gpu);
    this.#faults.delete(gpu.name);
    return version;
  }

  /** Heals, for a simulated fault is nothing but its report. */
  async clear(name: string, type: string | undefined): Promise<readonly ConditionInput[]> {
    const fault = this.#faults.get(name.toLowerCase());
    if (fault === undefined || (type !== undefined && type !== fault.type)) return [];
    await this.healGpu(name);
    return [fault];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#host = undefined;
  }

  #find(name: string): GpuReport {
    const gpu = this.#gpus.get(name.toLowerCase());
    if (gpu === undefined) throw new StatusError("NOT_FOUND", `no simulated GPU is named ${JSON.stringify(name)}`);
    return gpu;
  }

  async #publish(report: GpuReport): Promise<number> {
    if (this.#host === undefined) throw new StatusError("UNAVAILABLE", "the simulation is not running");
    return (await this.#host.publish([report])).get(report.name) ?? 0;
  }
}

/** A UUID in the form NVML prints, recognisably not of real hardware. */
function uuidOf(index: number): string {
  return `GPU-00000000-0000-4000-8000-${index.toString(16).padStart(12, "0")}`;
}
