import { readFileSync } from "node:fs";

/** How long and how often things are measured. */
export interface Plan {
  readonly repetitions: { readonly calls: number; readonly start: number; readonly growth: number };
  /** Of a server that has just begun, until its code is compiled for speed, and of one that has been called. */
  readonly coldWarmupMs: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly fanOutWatchers: number;
  readonly warmUpdates: number;
  readonly paced: { readonly updates: number; readonly perSecond: number };
  readonly burstUpdates: number;
  readonly idleWatches: number;
  /** How long a server without any calls is left alone, and how long it is watched then. */
  readonly settleMs: number;
  readonly idleMs: number;
  readonly gpuCounts: readonly number[];
  readonly watcherCounts: readonly number[];
}

const FULL: Plan = {
  repetitions: { calls: 5, start: 10, growth: 3 },
  coldWarmupMs: 4_000,
  warmupMs: 500,
  measureMs: 1_500,
  fanOutWatchers: 100,
  warmUpdates: 1_000,
  paced: { updates: 600, perSecond: 200 },
  burstUpdates: 1_000,
  idleWatches: 10_000,
  settleMs: 30_000,
  idleMs: 10_000,
  gpuCounts: [8, 64, 512, 4_096],
  watcherCounts: [1, 10, 100, 1_000],
};

const QUICK: Plan = {
  repetitions: { calls: 1, start: 1, growth: 1 },
  coldWarmupMs: 10,
  warmupMs: 10,
  measureMs: 50,
  fanOutWatchers: 20,
  warmUpdates: 10,
  paced: { updates: 20, perSecond: 200 },
  burstUpdates: 100,
  idleWatches: 100,
  settleMs: 100,
  idleMs: 100,
  gpuCounts: [8, 64],
  watcherCounts: [1, 10],
};

/** What a process has open beside the watches: listeners, the runtime's own, and what the server keeps for others. */
const OTHER_DESCRIPTORS = 300;

export function planFor(quick: boolean, repetitions: number | undefined): Plan {
  const plan = quick ? QUICK : FULL;
  const descriptors = hardDescriptorLimit(readFileSync("/proc/self/limits", "utf8"));
  const idleWatches = Math.min(plan.idleWatches, descriptors - OTHER_DESCRIPTORS);
  const asked = (own: number) => repetitions ?? own;
  const { calls, start, growth } = plan.repetitions;
  return { ...plan, idleWatches, repetitions: { calls: asked(calls), start: asked(start), growth: asked(growth) } };
}

/** Go and Bun raise the soft limit by themselves. */
export function hardDescriptorLimit(limits: string): number {
  const [, hard = ""] = /^Max open files\s+\S+\s+(\S+)/m.exec(limits) ?? [];
  return hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard);
}
