import type { Clock, Scheduler } from "../../base/clock.ts";
import { LimitedLog } from "../../base/limited-log.ts";
import type { Logger } from "../../base/log.ts";
import type { NvmlGpuSource, NvmlSource } from "../../metrics/nvml-source.ts";
import { DEFAULT_RULES } from "../../store/condition-rules.ts";
import { NVML_PROVIDER_ID } from "../../store/providers.ts";
import type { ConditionInput, Health, StatusInput } from "../../store/types.ts";
import type { Provider, ProviderHost } from "../provider.ts";
import { FLEET_MAX, Fleet, type FleetGpu } from "./fleet.ts";
import { isLost } from "./gpu-health.ts";
import { statusOf } from "./gpu-status.ts";
import type { HostLauncher } from "./host-launcher.ts";
import { NvmlCounters } from "./nvml-counters.ts";
import { instancesLeftOut, objectsOf } from "./objects.ts";
import { afterLateCall, afterRound, interrupted, type PaceLimits, paceLimits, STEADY_PACE, slowness } from "./pace.ts";
import { INITIAL_STATE, type NvmlInput, type NvmlState, outageOf, stepState } from "./provider-state.ts";
import { Publisher } from "./publisher.ts";
import type { HostMessage, NvmlRound } from "./sample.ts";
import { type HostEnd, SUPERVISOR_DEFAULTS, Supervisor, type SupervisorLimits } from "./supervisor.ts";
import type { Thresholds } from "./thresholds.ts";
import { watchdogLimits } from "./watchdog.ts";

export interface NvmlProviderOptions {
  readonly launcher: HostLauncher;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  /** Between two rounds of the sampler. */
  readonly periodMs: number;
  /** How long a driver call may take until its process is killed; undefined: what follows from the period. */
  readonly hangTimeoutMs?: number | undefined;
  readonly thresholds: Thresholds;
  readonly ignoredXids: ReadonlySet<number>;
  readonly healthCheck: boolean;
  /** For tests; undefined for those that follow from the period. */
  readonly limits?: SupervisorLimits;
}

/** The start of the server waits so long for the first readings; consumers who come later see them when they come. */
const START_WAIT_MS = 3_000;

/** Rounds in a row that fail as a whole: after a reload of the driver, a loaded library never works again. */
const FAILED_ROUNDS_MAX = 10;

/** Shown, but without a say in a GPU's health. */
const ADVISORY: ReadonlySet<string> = new Set(DEFAULT_RULES.advisory);

/**
 * The node's GPUs as NVML shows them. NVML itself runs in a host process; here its messages become health, and health
 * becomes what consumers see. A GPU is named by its UUID.
 */
export class NvmlProvider implements Provider {
  readonly id = NVML_PROVIDER_ID;
  readonly #options: NvmlProviderOptions;
  readonly #fleet: Fleet;
  readonly #counters = new NvmlCounters();
  readonly #supervisor: Supervisor;
  readonly #settled = Promise.withResolvers<void>();
  #publisher: Publisher | undefined;
  #state: NvmlState = INITIAL_STATE;
  #failedRounds = 0;
  /** A storm is many gaps. */
  readonly #gapLog: LimitedLog;
  readonly #hangLog: LimitedLog;
  readonly #paceLimits: PaceLimits;
  #pace = STEADY_PACE;
  /** What was said of the last hang. */
  #hang = "";
  #mostLeftOut = 0;
  #driver: { readonly driverVersion: string; readonly nvmlVersion: string } | undefined;
  readonly #sampledAtMs = new Map<string, number>();

  constructor(options: NvmlProviderOptions) {
    const { launcher, clock, scheduler, random, log, periodMs, thresholds, ignoredXids } = options;
    this.#options = options;
    this.#fleet = new Fleet({ thresholds, ignoredXids });
    this.#gapLog = new LimitedLog(log, clock, 1);
    this.#hangLog = new LimitedLog(log, clock, 1);
    this.#paceLimits = paceLimits(periodMs);
    const limits = options.limits ?? {
      ...SUPERVISOR_DEFAULTS,
      watchdog: watchdogLimits(periodMs, options.hangTimeoutMs),
    };
    this.#supervisor = new Supervisor({
      launcher,
      clock,
      scheduler,
      random,
      log,
      limits,
      listener: {
        launched: () => this.#onLaunched(),
        messages: (batch) => this.#onMessages(batch),
        starting: (what) => this.#move({ kind: "starting", what }),
        unresponsive: (what, call) => this.#onUnresponsive(what, call),
        responsive: () => this.#onResponsive(),
        unkillable: (pid) => this.#move({ kind: "unkillable", pid }),
        ended: (end) => this.#onEnded(end),
      },
    });
  }

  async start(host: ProviderHost): Promise<void> {
    this.#publisher = new Publisher(host, this.#options.log);
    using _timer = this.#options.scheduler.setTimer(this.#settled.resolve, START_WAIT_MS);
    this.#supervisor.start();
    await this.#settled.promise;
    await this.#publisher.settled();
  }

  async clear(name: string, type: string | undefined): Promise<readonly ConditionInput[]> {
    const uuid = [...this.#objects().keys()].find((known) => known.toLowerCase() === name.toLowerCase());
    if (uuid === undefined) return [];
    const before = this.#badOf(uuid);
    this.#fleet.clear(uuid, type);
    const after = this.#badOf(uuid);
    this.#publish();
    await this.#publisher?.settled();
    return before.filter((condition) => !after.some((still) => still.type === condition.type));
  }

  /** For metrics. */
  facts(): NvmlSource {
    const { kind } = this.#state;
    const { hostStarts, hostCrashes, hangs, eventsDropped } = this.#counters;
    const calls = this.#options.launcher.callTimes();
    return {
      state: kind,
      monitorRunning: kind === "running" || kind === "degraded",
      driverVersion: this.#driver?.driverVersion,
      nvmlVersion: this.#driver?.nvmlVersion,
      gpus: [...this.#fleet.gpus].map(([uuid, gpu]) => this.#gpuFacts(uuid, gpu)),
      hostStarts,
      hostCrashes,
      hangs: new Map(hangs),
      runningCall: this.#counters.runningCall(this.#options.clock.monotonicMs()),
      calls,
      longestCallMs: this.#counters.longestMs(calls),
      eventsDropped,
      eventsUnattributed: this.#fleet.unattributed,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#state = stepState(this.#state, { kind: "stop" });
    this.#settled.resolve();
    await this.#supervisor[Symbol.asyncDispose]();
    await this.#publisher?.close();
  }

  #onLaunched(): void {
    this.#counters.onLaunched();
    this.#pace = interrupted(this.#pace);
    this.#failedRounds = 0;
  }

  /** What arrived together is seen together. */
  #onMessages(batch: readonly HostMessage[]): void {
    let news = false;
    for (const message of batch) {
      this.#take(message);
      news ||= message.kind !== "pulse";
    }
    if (news) this.#publish();
    if (this.#failedRounds >= FAILED_ROUNDS_MAX) {
      this.#failedRounds = 0;
      this.#supervisor.restart("GPUs could not be enumerated in round after round");
    }
  }

  #take(message: HostMessage): void {
    switch (message.kind) {
      case "ready":
        this.#onReady(message);
        break;
      case "round":
        this.#onRound(message.round);
        break;
      case "event":
        this.#fleet.onEvent(message.event);
        break;
      case "failed":
      case "events":
        this.#step(message);
        break;
      case "gap":
        this.#onGap(message.dropped);
        break;
      case "pulse":
        this.#counters.onPulse(message, this.#options.clock.monotonicMs());
        break;
    }
  }

  #onGap(dropped: number): void {
    this.#counters.onGap(dropped);
    this.#gapLog.write("warn", "NVML events were lost; every GPU is read afresh", { dropped });
  }

  #onReady(ready: HostMessage & { kind: "ready" }): void {
    const { driverVersion, nvmlVersion, libraryPath, gpuCount, events } = ready;
    this.#options.log.info("NVML is initialised", { driverVersion, nvmlVersion, libraryPath, gpuCount, events });
    this.#onVersions(driverVersion, nvmlVersion);
    // Without health checks nobody waits for events, and nothing is degraded for want of them.
    this.#step({ kind: "ready", events: events || !this.#options.healthCheck });
  }

  /** "" where the version could not be read, which says nothing about the driver: the last known one stands. */
  #onVersions(driverVersion: string, nvmlVersion: string): void {
    const known = this.#driver ?? { driverVersion: "", nvmlVersion: "" };
    const isExchanged = ![known.driverVersion, driverVersion].includes("") && known.driverVersion !== driverVersion;
    if (isExchanged) this.#fleet.onReset();
    this.#driver = {
      driverVersion: driverVersion || known.driverVersion,
      nvmlVersion: nvmlVersion || known.nvmlVersion,
    };
  }

  #onRound(round: NvmlRound): void {
    if (round.code === 0) {
      const nowMs = this.#options.clock.monotonicMs();
      this.#fleet.onRound(round);
      this.#pace = afterRound(this.#pace, this.#paceLimits, nowMs);
      this.#tellLeftOut();
      for (const sample of round.gpus) {
        // One that is lost or could not be opened has not been read.
        if (this.#fleet.gpus.get(sample.uuid)?.health.sample === sample) this.#sampledAtMs.set(sample.uuid, nowMs);
      }
      for (const uuid of this.#sampledAtMs.keys()) if (!this.#fleet.gpus.has(uuid)) this.#sampledAtMs.delete(uuid);
    }
    this.#failedRounds = round.code === 0 ? 0 : this.#failedRounds + 1;
    this.#step({ kind: "round", code: round.code, slow: this.#slow });
  }

  /** Once, and again only where it is more. */
  #tellLeftOut(): void {
    const leftOut = this.#fleet.leftOut + instancesLeftOut(this.#fleet.gpus);
    if (leftOut <= this.#mostLeftOut) return;
    this.#mostLeftOut = leftOut;
    this.#options.log.warn("there are more GPUs and MIG instances than are shown", { shown: FLEET_MAX, leftOut });
  }

  #onUnresponsive(what: string, call: string | undefined): void {
    this.#counters.onHang(call ?? "");
    this.#hangLog.write("warn", "the driver does not answer", { what, call });
    this.#pace = interrupted(this.#pace);
    this.#hang = what;
    this.#move({ kind: "unresponsive", what });
  }

  #onResponsive(): void {
    this.#pace = afterLateCall(this.#pace, this.#paceLimits, this.#options.clock.monotonicMs());
    this.#move({ kind: "responsive", slow: this.#slow });
  }

  get #slow(): string | undefined {
    return this.#pace.isSlow ? slowness(this.#hang, this.#paceLimits) : undefined;
  }

  #onEnded(end: HostEnd): void {
    this.#counters.onEnded(end.explained);
    this.#move({ kind: "ended", how: end.how, call: end.call, explained: end.explained });
  }

  #move(input: NvmlInput): void {
    this.#step(input);
    this.#publish();
  }

  #step(input: NvmlInput): void {
    const before = this.#state;
    this.#state = stepState(before, input);
    if (this.#state.kind === before.kind) return;
    this.#options.log.info("the NVML provider's state changed", { from: before.kind, to: this.#state.kind });
  }

  #publish(): void {
    if (this.#state.kind === "stopped") return;
    this.#publisher?.show(this.#objects());
    // Nothing more is to be had soon where there is a cause already.
    if (this.#state.kind !== "initialising" || outageOf(this.#state) !== undefined) this.#settled.resolve();
  }

  #badOf(uuid: string): readonly ConditionInput[] {
    return (this.#objects().get(uuid)?.conditions ?? []).filter(({ status }) => status === "False");
  }

  #objects(): ReadonlyMap<string, StatusInput> {
    const { thresholds, healthCheck } = this.#options;
    return objectsOf(this.#fleet.gpus, outageOf(this.#state), { thresholds, healthCheck });
  }

  #gpuFacts(uuid: string, { health, xids }: FleetGpu): NvmlGpuSource {
    const { thresholds, healthCheck, clock } = this.#options;
    const status = statusOf(health, outageOf(this.#state), { thresholds, healthCheck });
    const sampledAtMs = this.#sampledAtMs.get(uuid);
    return {
      uuid,
      health: healthOf(status),
      action: status.action,
      xids,
      sample: isLost(health) ? undefined : health.sample,
      sampleAgeMs: sampledAtMs === undefined ? undefined : clock.monotonicMs() - sampledAtMs,
    };
  }
}

function healthOf({ conditions }: StatusInput): Health {
  const counting = conditions.filter(({ type }) => !ADVISORY.has(type));
  if (counting.some(({ status }) => status === "False")) return "unhealthy";
  return counting.some(({ status }) => status === "Unknown") ? "unknown" : "healthy";
}
