import { xidCodeOf } from "./events.ts";
import { type GpuHealth, type HealthInput, isLost, isRemoved, newGpuHealth, stepHealth } from "./gpu-health.ts";
import type { GpuSample, NvmlEvent, NvmlRound } from "./sample.ts";
import type { Thresholds } from "./thresholds.ts";
import { XID_CODES } from "./xids/catalogue.ts";

export interface FleetOptions {
  readonly thresholds: Thresholds;
  readonly ignoredXids: ReadonlySet<number>;
}

/** One GPU: its health, and what is counted of it. */
export interface FleetGpu {
  readonly health: GpuHealth;
  /** Xids by code; codes that the catalogue does not have are counted under OTHER_XIDS. */
  readonly xids: ReadonlyMap<number, number>;
}

/** NVML numbers Xids from 1; codes outside the catalogue must not grow the counters without an end. */
export const OTHER_XIDS = 0;

/** A node has at most 16 GPUs, with MIG 7 instances of each beside them, and some room; more is a broken library. */
export const FLEET_MAX = 256;

/** Events without a GPU that wait for the first round: by then nothing is known that they could be put on. */
const ORPHANS_MAX = 64;

/** The form of every UUID that NVML prints, also of MIG instances (from R470 on). An object is named by it. */
export const UUID_FORM = /^[A-Za-z0-9][-._A-Za-z0-9]{0,251}[A-Za-z0-9]$/;

/** The GPUs of the node by UUID, moved by rounds and events. Knows no I/O and no clock. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #gpus = new Map<string, FleetGpu>();
  readonly #orphans: NvmlEvent[] = [];
  #unattributed = 0;
  #leftOut = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  get gpus(): ReadonlyMap<string, FleetGpu> {
    return this.#gpus;
  }

  /** Events that named no GPU, in all. */
  get unattributed(): number {
    return this.#unattributed;
  }

  /** GPUs of the last round for which there is no room. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /** Counts a round in that worked as a whole. */
  onRound(round: NvmlRound): void {
    const samples = this.#byUuid(round.gpus);
    const lost = [...samples.values()].some((sample) => sample.lost);
    for (const [uuid, sample] of samples) this.#step(uuid, { kind: "sample", sample });
    for (const uuid of [...this.#gpus.keys()]) {
      if (samples.has(uuid)) continue;
      const { health } = this.#step(uuid, { kind: "missing", monoNs: round.monoNs, busHealthy: !lost });
      if (isRemoved(health, this.#options.thresholds)) this.#gpus.delete(uuid);
    }
    for (const event of this.#orphans.splice(0)) this.#spread(event);
  }

  onEvent(event: NvmlEvent): void {
    const { uuid } = event;
    if (uuid !== undefined && (this.#gpus.has(uuid) || this.#hasRoom(uuid))) {
      this.#count(uuid, event);
      this.#step(uuid, { kind: "event", event, context: this.#context(undefined) });
      return;
    }
    this.#unattributed++;
    if (this.#gpus.size > 0) this.#spread(event);
    else if (this.#orphans.length < ORPHANS_MAX) this.#orphans.push(event);
  }

  /** The driver was exchanged. */
  onReset(): void {
    for (const uuid of this.#gpus.keys()) this.#step(uuid, { kind: "reset" });
  }

  /**
   * An operator's word about a GPU, or about the faults of one MIG instance alone. Returns false for a UUID that is not
   * known.
   */
  clear(uuid: string, condition: string | undefined): boolean {
    const owner = this.#gpus.has(uuid) ? uuid : this.#ownerOf(uuid);
    if (owner === undefined) return false;
    this.#step(owner, { kind: "clear", condition, instance: owner === uuid ? undefined : uuid });
    return true;
  }

  #ownerOf(instance: string): string | undefined {
    for (const [uuid, { health }] of this.#gpus) {
      if (health.known?.instances?.some((one) => one.uuid === instance)) return uuid;
    }
    return undefined;
  }

  #step(uuid: string, input: HealthInput): FleetGpu {
    const known = this.#gpus.get(uuid) ?? { health: newGpuHealth(uuid), xids: new Map() };
    const next = { ...known, health: stepHealth(known.health, input, this.#options.thresholds) };
    this.#gpus.set(uuid, next);
    return next;
  }

  /**
   * An event that named no GPU goes to those whose trouble it explains and nothing else does, and where there are none,
   * to all: a fault on too many GPUs is seen and cleared, one on too few is missed.
   */
  #spread(event: NvmlEvent): void {
    const all = [...this.#gpus.values()].map(({ health }) => health);
    const troubled = all.filter((health) => isUnexplained(health));
    const meant = troubled.length > 0 ? troubled : all;
    for (const { uuid } of meant) {
      this.#count(uuid, event);
      this.#step(uuid, { kind: "event", event, context: this.#context(meant.length) });
    }
  }

  #context(sharedBy: number | undefined) {
    const { ignoredXids, thresholds } = this.#options;
    return { ignoredXids, sharedBy, unattributedQuietMs: thresholds.unattributedQuietMs };
  }

  #count(uuid: string, event: NvmlEvent): void {
    const code = xidCodeOf(event);
    if (code === undefined) return;
    const known = this.#gpus.get(uuid) ?? { health: newGpuHealth(uuid), xids: new Map() };
    const key = XID_CODES.has(code) ? code : OTHER_XIDS;
    this.#gpus.set(uuid, { ...known, xids: new Map(known.xids).set(key, (known.xids.get(key) ?? 0) + 1) });
  }

  #byUuid(samples: readonly GpuSample[]): ReadonlyMap<string, GpuSample> {
    const found = new Map<string, GpuSample>();
    const leftOut = new Set<string>();
    let room = FLEET_MAX - this.#gpus.size;
    for (const sample of samples) {
      const { uuid } = sample;
      if (!UUID_FORM.test(uuid)) continue;
      const isNew = !this.#gpus.has(uuid) && !found.has(uuid);
      if (isNew && room === 0) {
        leftOut.add(uuid);
        continue;
      }
      if (isNew) room--;
      found.set(uuid, sample);
    }
    this.#leftOut = leftOut.size;
    return found;
  }

  #hasRoom(uuid: string): boolean {
    return UUID_FORM.test(uuid) && this.#gpus.size < FLEET_MAX;
  }
}

/** Lost, or asked to recover by the driver, without an Xid that says why. */
function isUnexplained(health: GpuHealth): boolean {
  const troubled = isLost(health) || (health.sample?.recoveryAction ?? 0) > 0;
  return troubled && [...health.faults.keys()].every((key) => !key.startsWith("xid:"));
}
