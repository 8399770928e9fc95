import type { CallTimes } from "../native/calls-page.ts";
import type { HostExit, HostLauncher, HostListener, HostProcess } from "../provider/nvml/host-launcher.ts";
import type { GpuSample, HostMessage, NvmlEvent, NvmlRound, RunningCall } from "../provider/nvml/sample.ts";

/** A GPU that is well and has everything: an H100 in a machine with a fabric. */
export function wellSample(uuid: string, monoMs: number, changes: Partial<GpuSample> = {}): GpuSample {
  return {
    uuid,
    index: 0,
    product: "NVIDIA H100 80GB HBM3",
    busId: `00000000:${uuid.slice(-2).toUpperCase()}:00.0`,
    monoNs: nsOf(monoMs),
    lost: false,
    failures: [],
    temperatureC: 40,
    slowdownC: 90,
    shutdownC: 95,
    clockReasons: 0n,
    powerMw: 120_000,
    eccVolatileCorrected: 0n,
    eccVolatileUncorrected: 0n,
    eccAggregateCorrected: 0n,
    eccAggregateUncorrected: 0n,
    remappedRows: { corrected: 0, uncorrected: 0, pending: false, failed: false },
    retiredPages: undefined,
    sramEcc: { uncorrected: 0n, thresholdExceeded: false },
    nvLinks: Array.from({ length: 18 }, (_, link) => ({ link, active: true, errors: 0n })),
    fabric: { state: 3, status: 0, healthMask: 0 },
    mig: { current: 0, pending: 0 },
    instances: undefined,
    recoveryAction: 0,
    ...changes,
  };
}

/** What a T4 without ECC, NVLink or a new driver has: temperature and clocks. */
export const T4_LACKS: Partial<GpuSample> = {
  product: "Tesla T4",
  eccVolatileCorrected: undefined,
  eccVolatileUncorrected: undefined,
  eccAggregateCorrected: undefined,
  eccAggregateUncorrected: undefined,
  remappedRows: undefined,
  retiredPages: undefined,
  sramEcc: undefined,
  nvLinks: [],
  fabric: undefined,
  mig: undefined,
  instances: undefined,
  recoveryAction: undefined,
};

export function xidEvent(code: number, uuid: string | undefined, monoMs: number, seq = 0): NvmlEvent {
  return nvmlEvent(0x8n, BigInt(code), uuid, monoMs, seq);
}

export function nvmlEvent(type: bigint, data: bigint, uuid: string | undefined, monoMs: number, seq = 0): NvmlEvent {
  const ns = nsOf(monoMs);
  return {
    seq: BigInt(seq),
    monoNs: ns,
    realNs: ns,
    type,
    data,
    uuid,
    gpuInstance: undefined,
    computeInstance: undefined,
  };
}

export function roundOf(monoMs: number, gpus: readonly GpuSample[], code = 0): NvmlRound {
  return { round: monoMs, monoNs: nsOf(monoMs), code, gpus };
}

export const nsOf = (ms: number): bigint => BigInt(Math.round(ms * 1e6));

/** A launcher whose host processes do what the test says. */
export class ScriptedLauncher implements HostLauncher {
  readonly hosts: ScriptedHost[] = [];
  /** The next launch throws this. */
  failure: Error | undefined;
  /** A process in uninterruptible sleep. */
  unkillable = false;
  /** What the processes' pages say. */
  readonly times = new Map<string, CallTimes>();

  launch(listener: HostListener): HostProcess {
    if (this.failure !== undefined) throw this.failure;
    const host = new ScriptedHost(this.hosts.length + 100, listener, !this.unkillable);
    this.hosts.push(host);
    return host;
  }

  callTimes(): ReadonlyMap<string, CallTimes> {
    return this.times;
  }

  get last(): ScriptedHost {
    const host = this.hosts.at(-1);
    if (host === undefined) throw new Error("no host process was launched");
    return host;
  }

  /** Host processes that have not ended. */
  get alive(): number {
    return this.hosts.filter(({ ended }) => !ended).length;
  }
}

export class ScriptedHost implements HostProcess {
  readonly pid: number;
  readonly signals: string[] = [];
  ended = false;
  abandoned = false;
  /** What its page says while it is silent. */
  runsIn: string | undefined;
  readonly #listener: HostListener;
  readonly #dies: boolean;

  constructor(pid: number, listener: HostListener, dies: boolean) {
    this.pid = pid;
    this.#listener = listener;
    this.#dies = dies;
  }

  runningCall(): string | undefined {
    return this.runsIn;
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.signals.push(signal);
    if (signal === "SIGKILL" && this.#dies) this.exit({ signal: "SIGKILL" });
  }

  abandon(): void {
    this.abandoned = true;
  }

  /** One batch. */
  say(...messages: HostMessage[]): void {
    this.#listener.messages(messages);
  }

  garble(problem: string): void {
    this.#listener.corrupt(problem);
  }

  ready(changes: Partial<HostMessage & { kind: "ready" }> = {}): void {
    this.say({
      kind: "ready",
      libraryPath: "/usr/lib/libnvidia-ml.so.1",
      driverVersion: "580.10",
      nvmlVersion: "13.580.10",
      gpuCount: 1,
      events: true,
      ...changes,
    });
  }

  round(monoMs: number, gpus: readonly GpuSample[], code = 0): void {
    this.say({ kind: "round", round: roundOf(monoMs, gpus, code) });
  }

  event(event: NvmlEvent): void {
    this.say({ kind: "event", event });
  }

  /** A pulse; `call` has been running for `ms`. */
  pulse(monoMs: number, call?: string, ms = 0, thread: "sampler" | "eventThread" = "sampler"): void {
    const running: RunningCall | undefined =
      call === undefined ? undefined : { name: call, sinceNs: nsOf(monoMs - ms) };
    const none = { sampler: undefined, eventThread: undefined };
    this.say({ kind: "pulse", monoNs: nsOf(monoMs), ...none, [thread]: running });
  }

  exit(exit: Partial<HostExit>): void {
    if (this.ended) return;
    this.ended = true;
    this.#listener.exited({ code: undefined, signal: undefined, call: undefined, ...exit });
  }
}
