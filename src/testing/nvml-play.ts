import { type GpuHealth, newGpuHealth, stepHealth } from "../provider/nvml/gpu-health.ts";
import { adviceOf, type Outage, statusOf } from "../provider/nvml/gpu-status.ts";
import type { GpuSample, NvmlEvent } from "../provider/nvml/sample.ts";
import { DEFAULT_THRESHOLDS, type Thresholds } from "../provider/nvml/thresholds.ts";
import type { ConditionInput } from "../store/types.ts";
import { nsOf, nvmlEvent, wellSample, xidEvent } from "./nvml-script.ts";

export const PLAY_PERIOD_MS = 500;

/** One GPU under the health rules: what it reads and what happens to it, step by step, on a clock of its own. */
export class GpuPlay {
  readonly uuid = "GPU-00000000-0000-4000-8000-0000000000a1";
  readonly thresholds: Thresholds;
  readonly ignoredXids: Set<number> = new Set();
  health: GpuHealth = newGpuHealth(this.uuid);
  outage: Outage | undefined;
  healthCheck = true;
  nowMs = 1_000;
  /** What the GPU reads from here on, over that of one that is well. */
  reads: Partial<GpuSample>;

  constructor(reads: Partial<GpuSample> = {}, thresholds: Partial<Thresholds> = {}) {
    this.reads = reads;
    this.thresholds = { ...DEFAULT_THRESHOLDS, ...thresholds };
    this.round();
  }

  /** The readings change, and a round takes them. */
  read(changes: Partial<GpuSample>): this {
    this.reads = { ...this.reads, ...changes };
    return this.round();
  }

  /** Rounds for so long, at least one. */
  round(forMs = PLAY_PERIOD_MS): this {
    for (let i = 0; i < forMs / PLAY_PERIOD_MS; i++) {
      this.nowMs += PLAY_PERIOD_MS;
      const sample = wellSample(this.uuid, this.nowMs, this.reads);
      this.health = stepHealth(this.health, { kind: "sample", sample }, this.thresholds);
    }
    return this;
  }

  missing(rounds = 1, busHealthy = true): this {
    for (let i = 0; i < rounds; i++) {
      this.nowMs += PLAY_PERIOD_MS;
      const input = { kind: "missing", monoNs: nsOf(this.nowMs), busHealthy } as const;
      this.health = stepHealth(this.health, input, this.thresholds);
    }
    return this;
  }

  xid(code: number, changes: Partial<NvmlEvent> = {}, sharedBy?: number): this {
    return this.#event({ ...xidEvent(code, this.uuid, ++this.nowMs), ...changes }, sharedBy);
  }

  event(type: bigint): this {
    return this.#event(nvmlEvent(type, 0n, this.uuid, ++this.nowMs), undefined);
  }

  driverExchanged(): this {
    this.health = stepHealth(this.health, { kind: "reset" }, this.thresholds);
    return this;
  }

  clear(condition?: string): this {
    this.health = stepHealth(this.health, { kind: "clear", condition }, this.thresholds);
    return this;
  }

  /** The driver asks for something and then, done, for nothing. */
  recovered(value = 1): this {
    return this.read({ recoveryAction: value }).read({ recoveryAction: 0 });
  }

  get action(): string {
    return adviceOf(this.health);
  }

  get types(): readonly string[] {
    return this.#conditions().map(({ type }) => type);
  }

  condition(type: string): ConditionInput | undefined {
    return this.#conditions().find((condition) => condition.type === type);
  }

  /** "False/XidError", or "absent". */
  state(type: string): string {
    const condition = this.condition(type);
    return condition === undefined ? "absent" : `${condition.status}/${condition.reason}`;
  }

  message(type: string): string {
    return this.condition(type)?.message ?? "";
  }

  #conditions(): readonly ConditionInput[] {
    const { thresholds, healthCheck } = this;
    return statusOf(this.health, this.outage, { thresholds, healthCheck }).conditions;
  }

  #event(event: NvmlEvent, sharedBy: number | undefined): this {
    const { ignoredXids, thresholds } = this;
    const context = { ignoredXids, sharedBy, unattributedQuietMs: thresholds.unattributedQuietMs };
    this.health = stepHealth(this.health, { kind: "event", event, context }, thresholds);
    return this;
  }
}
