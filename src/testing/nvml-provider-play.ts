import { silentLogger } from "../base/log.ts";
import { NvmlProvider, type NvmlProviderOptions } from "../provider/nvml/nvml-provider.ts";
import type { GpuSample } from "../provider/nvml/sample.ts";
import { DEFAULT_THRESHOLDS } from "../provider/nvml/thresholds.ts";
import type { GpuReport, ProviderHost } from "../provider/provider.ts";
import { ScriptedLauncher, wellSample } from "./nvml-script.ts";
import { SimulatedTime } from "./simulated-time.ts";

/** The GPUs of the node that is played. */
export const UUIDS = Array.from({ length: 8 }, (_, i) => `GPU-0${i}`);

/** Keeps what was published, transaction by transaction. */
export class RecordingHost implements ProviderHost {
  readonly transactions: string[][] = [];
  readonly seen = new Map<string, GpuReport>();
  /** GPUs that cannot be written. */
  readonly refused = new Set<string>();
  /** Transactions wait for this. */
  lock: Promise<void> | undefined;

  async publish(reports: readonly GpuReport[]): Promise<ReadonlyMap<string, number>> {
    if (this.lock !== undefined) await this.lock;
    const bad = reports.find(({ name }) => this.refused.has(name));
    if (bad !== undefined) throw new Error(`${bad.name} is taken`);
    for (const report of reports) this.seen.set(report.name, report);
    this.transactions.push(reports.map((report) => `${report.name} ${brief(report)}`));
    return new Map();
  }

  async withdraw(names: readonly string[]): Promise<void> {
    for (const name of names) this.seen.delete(name);
    this.transactions.push(names.map((name) => `${name} withdrawn`));
  }

  state(uuid: string, type = "NVMLReady"): string {
    const condition = this.seen.get(uuid)?.status.conditions.find((c) => c.type === type);
    return condition === undefined ? "absent" : `${condition.status}/${condition.reason}`;
  }

  message(uuid: string): string {
    return this.seen.get(uuid)?.status.conditions.find(({ type }) => type === "NVMLReady")?.message ?? "";
  }
}

const brief = ({ status }: GpuReport) => `${status.conditions[0]?.status}/${status.conditions[0]?.reason}`;

/** A provider on a scripted launcher, in simulated time. */
export async function playProvider(options: Partial<NvmlProviderOptions> = {}, count = 8) {
  const time = new SimulatedTime();
  const launcher = new ScriptedLauncher();
  const host = new RecordingHost();
  const provider = new NvmlProvider({
    launcher,
    clock: time,
    scheduler: time,
    random: () => 0.5,
    log: silentLogger,
    periodMs: 500,
    thresholds: { ...DEFAULT_THRESHOLDS, goneMs: 1_500 },
    ignoredXids: new Set(),
    healthCheck: true,
    ...options,
  });
  const settle = async () => {
    for (let i = 0; i < 50; i++) await Promise.resolve();
  };
  const round = async (
    uuids: readonly string[] = UUIDS.slice(0, count),
    changes: Partial<GpuSample> = {},
    code = 0,
  ) => {
    const nowMs = time.monotonicMs();
    const samples = uuids.map((uuid) => wellSample(uuid, nowMs, changes));
    launcher.last.round(nowMs, samples, code);
    await settle();
  };
  /** So many rounds, with the pulses in between. */
  const live = async (forMs: number, uuids?: readonly string[], changes?: Partial<GpuSample>) => {
    for (let ms = 0; ms < forMs; ms += 100) {
      time.advance(100);
      launcher.last.pulse(time.monotonicMs());
      if (ms % 500 === 0) await round(uuids, changes);
    }
  };
  const started = provider.start(host);
  return { time, launcher, host, provider, started, settle, round, live };
}

/** The same, after the first round. */
export async function playRunningProvider(options: Partial<NvmlProviderOptions> = {}, count = 8) {
  const all = await playProvider(options, count);
  all.launcher.last.ready();
  await all.round();
  await all.started;
  return all;
}
