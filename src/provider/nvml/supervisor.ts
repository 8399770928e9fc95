import { type BackoffLimits, backoffMs } from "../../base/backoff.ts";
import type { Clock, Scheduler } from "../../base/clock.ts";
import type { Logger } from "../../base/log.ts";
import type { HostExit, HostLauncher, HostProcess } from "./host-launcher.ts";
import type { HostMessage } from "./sample.ts";
import {
  afterPause,
  type HostWatch,
  judge,
  lastCallOf,
  newWatch,
  passesTrial,
  type WatchdogLimits,
  type WatchVerdict,
  watchMessages,
} from "./watchdog.ts";

export interface SupervisorLimits {
  readonly watchdog: WatchdogLimits;
  readonly backoff: BackoffLimits;
  /** One that has been giving readings for so long failed for a new reason: the backoff begins anew. */
  readonly ranWellMs: number;
  /** The kernel ends a killed process within milliseconds unless it is stuck in the driver. */
  readonly deathMs: number;
  /** At the end: from SIGTERM to SIGKILL, and from there until it is left behind. */
  readonly stopMs: number;
}

export const SUPERVISOR_DEFAULTS: Omit<SupervisorLimits, "watchdog"> = {
  backoff: { firstMs: 1_000, maxMs: 60_000 },
  ranWellMs: 60_000,
  deathMs: 5_000,
  stopMs: 1_000,
};

/** What the supervisor tells. Messages come in between, in their order. */
export interface SupervisorListener {
  launched(): void;
  messages(batch: readonly HostMessage[]): void;
  /** Before its first round, and in no hurry yet: the call that the start is in. */
  starting(what: string): void;
  unresponsive(what: string, call: string | undefined): void;
  /** The call returned, or the silence ended. */
  responsive(): void;
  /** It was killed and does not end. No other one is started until it does. */
  unkillable(pid: number): void;
  ended(end: HostEnd): void;
}

export interface HostEnd {
  /** For people: exit status or signal, and why it was killed. */
  readonly how: string;
  /** The function it was in, as far as known. */
  readonly call: string | undefined;
  /** It had said that it failed, or we killed it: the cause is known already. */
  readonly explained: boolean;
  readonly retryMs: number;
}

export interface SupervisorOptions {
  readonly launcher: HostLauncher;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  readonly limits: SupervisorLimits;
  readonly listener: SupervisorListener;
}

type Phase =
  | { readonly kind: "idle" }
  | { readonly kind: "waiting"; readonly timer: Disposable }
  | { readonly kind: "alive"; readonly host: HostProcess; readonly unresponsive: boolean; readonly slowStart?: string }
  | { readonly kind: "dying"; readonly host: HostProcess; readonly why: string; readonly timer: Disposable }
  | { readonly kind: "stopped" };

/** A library that hangs while it is loaded keeps its whole process from saying anything; its page still does. */
function named(verdict: WatchVerdict, host: HostProcess): WatchVerdict {
  if (verdict.kind === "fine" || verdict.call !== undefined) return verdict;
  const call = host.runningCall();
  return call === undefined ? verdict : { ...verdict, call, what: `${verdict.what}, last seen in ${call}` };
}

/** How often silence is looked for, as a part of the limit for calls: a quarter of the half period there is for it. */
const CHECKS_PER_LIMIT = 8;

/** Keeps one host process running: never two, whatever happens to the one. */
export class Supervisor implements AsyncDisposable {
  readonly #options: SupervisorOptions;
  #phase: Phase = { kind: "idle" };
  #watch: HostWatch = newWatch(0);
  #failures = 0;
  /** The one before it crashed or was killed: its rounds wait until it has shown that it does better. */
  #onTrial = false;
  #heldRound: HostMessage | undefined;
  #check: Disposable | undefined;
  /** When the next look is due: one that comes much later shows that this process stood still. */
  #checkDueMs = 0;
  #stopping: PromiseWithResolvers<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Starts the first host process, and from then on the next whenever one ends. */
  start(): void {
    if (this.#phase.kind === "idle") this.#launch();
  }

  /** Kills the present host process; the next one comes after the backoff. */
  restart(why: string): void {
    if (this.#phase.kind === "alive") this.#kill(this.#phase.host, why);
  }

  /** Resolves when the host process has ended, or after twice `stopMs`, leaving it behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping !== undefined) return this.#stopping.promise;
    this.#stopping = Promise.withResolvers<void>();
    this.#check?.[Symbol.dispose]();
    const phase = this.#phase;
    if (phase.kind === "waiting") phase.timer[Symbol.dispose]();
    if (phase.kind === "alive") this.#stop(phase.host, "SIGTERM");
    else if (phase.kind === "dying") {
      phase.timer[Symbol.dispose]();
      this.#stop(phase.host, "SIGKILL");
    } else this.#stopped();
    return this.#stopping.promise;
  }

  #launch(): void {
    const { launcher, clock, listener } = this.#options;
    this.#watch = newWatch(clock.monotonicMs());
    this.#heldRound = undefined;
    let host: HostProcess;
    try {
      host = launcher.launch({
        messages: (batch) => this.#onMessages(batch),
        corrupt: (problem) => this.restart(`it is not understood: ${problem}`),
        exited: (exit) => this.#onExit(exit),
      });
    } catch (error) {
      const how = `could not be started: ${error instanceof Error ? error.message : String(error)}`;
      this.#waitForNext({ how, call: undefined, explained: false });
      return;
    }
    this.#phase = { kind: "alive", host, unresponsive: false };
    listener.launched();
    this.#armCheck();
  }

  #onMessages(batch: readonly HostMessage[]): void {
    if (this.#phase.kind !== "alive") return;
    const nowMs = this.#nowAfterPause();
    this.#watch = watchMessages(this.#watch, batch, nowMs);
    // First, so that a round that ends a hang counts as one after it.
    this.#judge(nowMs);
    if (this.#phase.kind !== "alive") return;
    const news = this.#holdRounds(batch, nowMs);
    if (news.length > 0) this.#options.listener.messages(news);
  }

  /** Of the rounds of a trial the newest comes with the next message after it. */
  #holdRounds(batch: readonly HostMessage[], nowMs: number): readonly HostMessage[] {
    if (!this.#onTrial) return batch;
    if (!passesTrial(this.#watch, nowMs)) {
      this.#heldRound = batch.findLast(({ kind }) => kind === "round") ?? this.#heldRound;
      return batch.filter(({ kind }) => kind !== "round");
    }
    const held = this.#heldRound;
    this.#onTrial = false;
    this.#heldRound = undefined;
    return held === undefined ? batch : [held, ...batch];
  }

  get #checkMs(): number {
    return this.#options.limits.watchdog.callMs / CHECKS_PER_LIMIT;
  }

  #armCheck(): void {
    const { scheduler, clock } = this.#options;
    this.#check?.[Symbol.dispose]();
    this.#checkDueMs = clock.monotonicMs() + this.#checkMs;
    // After what waits in the pipe, so that a turn that took long is not followed by a look at what it kept waiting.
    const task = () => scheduler.defer(() => this.#onCheck());
    this.#check = scheduler.setTimer(task, this.#checkMs);
  }

  /**
   * The time, with a pause up to now taken off the watch. A check that is late by more than the time between two shows
   * that this process stood still: stopped, frozen with its container, or without a processor. The host process could
   * not be heard meanwhile, and its silence is our own. Whatever runs first after a pause asks here, and goes by this
   * time alone: the next pause may begin with the next instruction.
   */
  #nowAfterPause(): number {
    const nowMs = this.#options.clock.monotonicMs();
    const lateMs = nowMs - this.#checkDueMs;
    if (lateMs > this.#checkMs) {
      this.#watch = afterPause(this.#watch, lateMs, nowMs);
      this.#checkDueMs = nowMs;
    }
    return nowMs;
  }

  #onCheck(): void {
    if (this.#phase.kind !== "alive" || this.#stopping !== undefined) return;
    this.#judge(this.#nowAfterPause());
    if (this.#phase.kind === "alive") this.#armCheck();
  }

  #judge(nowMs: number): void {
    const phase = this.#phase;
    if (phase.kind !== "alive") return;
    const { limits, listener } = this.#options;
    const verdict = named(judge(this.#watch, limits.watchdog, nowMs), phase.host);
    if (verdict.kind === "fine") {
      if (!phase.unresponsive) return;
      this.#phase = { ...phase, unresponsive: false };
      listener.responsive();
      return;
    }
    if (verdict.kind === "starting") {
      if (phase.slowStart === verdict.what) return;
      this.#phase = { ...phase, slowStart: verdict.what };
      listener.starting(verdict.what);
      return;
    }
    if (!phase.unresponsive) {
      this.#phase = { ...phase, unresponsive: true };
      listener.unresponsive(verdict.what, verdict.call);
    }
    if (verdict.kind === "kill") this.#kill(phase.host, verdict.what);
  }

  #kill(host: HostProcess, why: string): void {
    const { scheduler, limits, log } = this.#options;
    log.warn("killing the NVML host process", { pid: host.pid, why });
    const timer = scheduler.setTimer(() => this.#onUndead(host), limits.deathMs);
    this.#phase = { kind: "dying", host, why, timer };
    host.kill("SIGKILL");
  }

  #onUndead(host: HostProcess): void {
    if (this.#phase.kind !== "dying") return;
    const what = "the NVML host process does not end after SIGKILL; no other one is started until it does";
    this.#options.log.error(what, { pid: host.pid, why: this.#phase.why });
    this.#options.listener.unkillable(host.pid);
  }

  #onExit(exit: HostExit): void {
    const phase = this.#phase;
    if (phase.kind !== "alive" && phase.kind !== "dying") return;
    this.#check?.[Symbol.dispose]();
    if (phase.kind === "dying") phase.timer[Symbol.dispose]();
    if (this.#stopping !== undefined) {
      this.#stopped();
      return;
    }
    const { firstRoundMs, failed } = this.#watch;
    const { clock, limits } = this.#options;
    if (firstRoundMs !== undefined && clock.monotonicMs() - firstRoundMs >= limits.ranWellMs) this.#failures = 0;
    this.#onTrial = !failed;
    const killed = phase.kind === "dying" ? ` after it was killed: ${phase.why}` : "";
    const how = `ended by ${exit.signal ?? `exit status ${exit.code ?? "unknown"}`}${killed}`;
    this.#waitForNext({ how, call: exit.call ?? lastCallOf(this.#watch), explained: failed || phase.kind === "dying" });
  }

  #waitForNext(end: Omit<HostEnd, "retryMs">): void {
    const { scheduler, limits, random, log, listener } = this.#options;
    this.#failures++;
    const retryMs = Math.round(backoffMs(this.#failures, limits.backoff, random));
    log.warn(`the NVML host process ${end.how}`, { call: end.call, failures: this.#failures, retryMs });
    this.#phase = { kind: "waiting", timer: scheduler.setTimer(() => this.#launch(), retryMs) };
    listener.ended({ ...end, retryMs });
  }

  #stop(host: HostProcess, signal: "SIGTERM" | "SIGKILL"): void {
    const { scheduler, limits, log } = this.#options;
    const next = () => {
      if (signal === "SIGTERM") return this.#stop(host, "SIGKILL");
      log.error("the NVML host process does not end after SIGKILL and is left behind", { pid: host.pid });
      host.abandon();
      this.#stopped();
    };
    this.#phase = { kind: "dying", host, why: "the server stops", timer: scheduler.setTimer(next, limits.stopMs) };
    host.kill(signal);
  }

  #stopped(): void {
    this.#phase = { kind: "stopped" };
    this.#stopping?.resolve();
  }
}
