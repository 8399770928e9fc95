import { compareNatural } from "../base/natural-order.ts";
import type { ChangeType, Condition, Gpu } from "./types.ts";

export const HEALTHS = ["unhealthy", "unknown", "healthy"] as const;
export type Health = (typeof HEALTHS)[number];

export interface Filter {
  readonly health: Health | "all";
  /** Words that all have to be found somewhere on the GPU, in any case of letters. */
  readonly text: string;
}

/** A GPU became well, or ceased to be. */
export interface Turn {
  readonly gpu: Gpu;
  readonly health: Health;
}

/** Ready is the server's verdict; without it nobody has reported, and nobody knows. */
export function readyOf(gpu: Gpu): Condition | undefined {
  return gpu.status.conditions.find(({ type }) => type === "Ready");
}

export function healthOf(gpu: Gpu): Health {
  switch (readyOf(gpu)?.status) {
    case "True":
      return "healthy";
    case "False":
      return "unhealthy";
    default:
      return "unknown";
  }
}

/** The GPUs as the stream tells of them. A snapshot counts only once it is complete. */
export class Fleet {
  #gpus = new Map<string, Gpu>();
  #snapshot: Map<string, Gpu> | undefined;
  #synced = false;

  /** Whether a whole snapshot was ever seen. */
  get synced(): boolean {
    return this.#synced;
  }

  get size(): number {
    return this.#gpus.size;
  }

  beginSnapshot(): void {
    this.#snapshot = new Map();
  }

  /** Gives what turned against the snapshot before; nothing for the first. */
  endSnapshot(): readonly Turn[] {
    const before = this.#gpus;
    this.#gpus = this.#snapshot ?? new Map();
    this.#snapshot = undefined;
    const isFirst = !this.#synced;
    this.#synced = true;
    return isFirst ? [] : [...this.#gpus.values()].flatMap((gpu) => turnOf(before.get(keyOf(gpu)), gpu));
  }

  apply(type: ChangeType, gpu: Gpu): readonly Turn[] {
    const key = keyOf(gpu);
    if (this.#snapshot !== undefined) {
      this.#snapshot.set(key, gpu);
      return [];
    }
    const before = this.#gpus.get(key);
    if (type === "DELETED") this.#gpus.delete(key);
    else this.#gpus.set(key, gpu);
    return type === "DELETED" ? [] : turnOf(before, gpu);
  }

  counts(): Readonly<Record<Health, number>> {
    const counts = { unhealthy: 0, unknown: 0, healthy: 0 };
    for (const gpu of this.#gpus.values()) counts[healthOf(gpu)]++;
    return counts;
  }

  /** What the filter lets through: what is not well first, then by name. */
  select({ health, text }: Filter): readonly Gpu[] {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return [...this.#gpus.values()]
      .filter((gpu) => (health === "all" || healthOf(gpu) === health) && hasWords(textOf(gpu), words))
      .sort((a, b) => rankOf(a) - rankOf(b) || compareNatural(a.metadata.name, b.metadata.name));
  }
}

export function hasWords(text: string, words: readonly string[]): boolean {
  const lower = text.toLowerCase();
  return words.every((word) => lower.includes(word));
}

const rankOf = (gpu: Gpu): number => HEALTHS.indexOf(healthOf(gpu));
const keyOf = (gpu: Gpu): string => gpu.metadata.name.toLowerCase();

function turnOf(before: Gpu | undefined, gpu: Gpu): readonly Turn[] {
  const health = healthOf(gpu);
  return before !== undefined && healthOf(before) !== health ? [{ gpu, health }] : [];
}

function textOf({ metadata, spec, status }: Gpu): string {
  const conditions = status.conditions.map(({ type, reason, message }) => `${type} ${reason} ${message}`);
  return [metadata.name, spec.uuid, status.recommendedAction, ...conditions].join(" ");
}
