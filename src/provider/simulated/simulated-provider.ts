import { invalidArgument, StatusError } from "../../base/status-error.ts";
import { SIMULATED_PROVIDER_ID } from "../../store/providers.ts";
import type { StatusInput } from "../../store/types.ts";
import type { GpuReport, Provider, ProviderHost } from "../provider.ts";

/** --simulate takes up to this many, the most NVML ever shows on a node with MIG. */
export const SIMULATED_GPUS_MAX = 256;

/** The Xids that can be played: each makes a real GPU unhealthy, with the advice of NVIDIA's catalogue. */
const FAULTS: Readonly<Record<number, { readonly description: string; readonly action: string }>> = {
  62: { description: "internal micro-controller halt", action: "COMPONENT_RESET" },
  64: { description: "GPU memory remapping failure", action: "COMPONENT_RESET" },
  79: { description: "GPU has fallen off the bus", action: "RESTART_BM" },
  95: { description: "uncontained memory error", action: "COMPONENT_RESET" },
  109: { description: "context switch timeout", action: "COMPONENT_RESET" },
  119: { description: "GSP RPC timeout", action: "COMPONENT_RESET" },
  120: { description: "GSP error", action: "COMPONENT_RESET" },
  140: { description: "ECC unrecovered error", action: "COMPONENT_RESET" },
};

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
  #host: ProviderHost | undefined;

  constructor(count: number) {
    const gpus = Array.from({ length: count }, (_, i) => ({ name: `gpu-${i}`, uuid: uuidOf(i), status: HEALTHY }));
    this.#gpus = new Map(gpus.map((gpu) => [gpu.name, gpu]));
  }

  async start(host: ProviderHost): Promise<void> {
    this.#host = host;
    await host.publish([...this.#gpus.values()]);
  }

  /** Plays an Xid; resolves to the GPU's version. Errors: NOT_FOUND, INVALID_ARGUMENT (an Xid that is not played). */
  async breakGpu(name: string, xid: number): Promise<number> {
    const gpu = this.#find(name);
    const fault = FAULTS[xid];
    if (fault === undefined) {
      throw invalidArgument("xid", `${xid} cannot be played; choose one of ${Object.keys(FAULTS).join(", ")}`);
    }
    const message = `Xid ${xid}, ${fault.description} (simulated); cleared by: simulate heal ${gpu.name}`;
    const condition = { type: "NVMLReady", status: "False", reason: "XidError", message, at: undefined } as const;
    return this.#publish({ ...gpu, status: { conditions: [condition], action: fault.action } });
  }

  /** Makes the GPU well again; resolves to its version. Errors: NOT_FOUND. */
  async healGpu(name: string): Promise<number> {
    return this.#publish(this.#find(name));
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
