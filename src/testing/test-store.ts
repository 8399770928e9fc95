import { drainMicrotasks } from "bun:jsc";
import { fromBinary } from "@bufbuild/protobuf";
import { UNBOUNDED } from "../base/cancel-scope.ts";
import { StatusError } from "../base/status-error.ts";
import { type Gpu, type WatchGpusResponse, WatchGpusResponseSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import { DEFAULT_RULES } from "../store/condition-rules.ts";
import { Store, type StoreOptions } from "../store/store.ts";
import type { Transaction } from "../store/transaction.ts";
import type { ConditionInput, ConditionStatus, Instant, Writer } from "../store/types.ts";
import type { Watcher, WatchSink } from "../store/watch-hub.ts";
import { SimulatedTime } from "./simulated-time.ts";

export type PeerWriter = Writer & { kind: "peer" };

export const LEASE_MS = 30_000;

/** A peer of this uid, with the id that it claims; "" where it leaves it out. */
export function peer(uid: number, claimedId = ""): PeerWriter {
  return { kind: "peer", identity: `uid:${uid}`, superuser: uid === 0, claimedId };
}

/** For example condition("Memory", "False", { reason: "Xid79" }). */
export function condition(
  type: string,
  status: ConditionStatus,
  rest: { readonly reason?: string; readonly message?: string; readonly at?: Instant } = {},
): ConditionInput {
  return { type, status, reason: rest.reason ?? "", message: rest.message ?? "", at: rest.at };
}

/** A store in simulated time with one verb for each thing that a unit test does, and what it told its observer. */
export class TestStore implements Disposable {
  readonly time = new SimulatedTime();
  readonly lost: { readonly id: string; readonly gpus: number }[] = [];
  readonly rolledBack: string[] = [];
  watchersExpired = 0;
  readonly store: Store;

  constructor(options: Partial<StoreOptions> = {}) {
    this.time.afterTask = drainMicrotasks;
    this.store = new Store({
      clock: this.time,
      scheduler: this.time,
      rules: DEFAULT_RULES,
      leaseMs: LEASE_MS,
      bound: new Map(),
      history: { events: 1_000, bytes: 1_000_000 },
      observer: {
        eventSent: () => {},
        watcherExpired: () => void this.watchersExpired++,
        providerLost: (id, gpus) => void this.lost.push({ id, gpus }),
        rolledBack: (code) => void this.rolledBack.push(code),
      },
      ...options,
    });
  }

  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
  }

  get version(): number {
    return this.store.stats().version;
  }

  /** One transaction, which nothing holds up. */
  write<T>(section: (transaction: Transaction) => T): T {
    return atOnce(this.store.write(UNBOUNDED, section));
  }

  register(writer: Writer, name: string, uuid = ""): { readonly created: boolean; readonly resourceVersion: number } {
    return this.write((transaction) => transaction.register(writer, { name, uuid, status: undefined }));
  }

  /** The provider's complete report; returns the GPU's version. */
  report(writer: Writer, name: string, ...conditions: readonly ConditionInput[]): number {
    return this.write((transaction) => transaction.updateStatus(writer, name, { conditions, action: "" }))
      .resourceVersion;
  }

  reportOne(writer: Writer, name: string, one: ConditionInput): number {
    return this.write((transaction) => transaction.updateCondition(writer, name, one)).resourceVersion;
  }

  /** Whether it was acknowledged. */
  heartbeat(writer: PeerWriter): boolean {
    return this.write((transaction) => transaction.heartbeat(writer)).acknowledged;
  }

  /** What a consumer gets. */
  get(name: string): Gpu | undefined {
    return atOnce(this.store.read(UNBOUNDED, (view) => view.get(name)))?.toMessage();
  }

  /** "Type=Status" of each visible condition, in the order shown. */
  conditions(name: string): readonly string[] {
    return this.get(name)?.status?.conditions.map(({ type, status }) => `${type}=${status}`) ?? [];
  }

  names(): readonly string[] {
    return atOnce(this.store.read(UNBOUNDED, (view) => view.snapshot())).objects.map(({ name }) => name);
  }

  /** From the present state, or from right after a version. */
  watch(sink: WatchSink, after?: number): Watcher {
    return atOnce(this.store.watch(UNBOUNDED, after === undefined ? undefined : BigInt(after), sink));
  }

  /** Runs what is due after `ms`, and everything that follows from it at once. */
  pass(ms: number): void {
    this.time.advance(ms);
    drainMicrotasks();
  }
}

/** A consumer's stream that takes `room` messages before it says stop. */
export class RecordingSink implements WatchSink {
  readonly events: WatchGpusResponse[] = [];
  ended: string | undefined;
  room: number;

  constructor(room = Number.POSITIVE_INFINITY) {
    this.room = room;
  }

  send(message: Uint8Array): boolean {
    this.events.push(fromBinary(WatchGpusResponseSchema, message));
    return --this.room > 0;
  }

  end(status: StatusError): void {
    this.ended = status.code;
  }

  /** "TYPE name" of each event. */
  get lines(): readonly string[] {
    return this.events.map(({ type, object }) => `${type} ${object?.metadata?.name}`);
  }

  get versions(): readonly number[] {
    return this.events.map(({ object }) => Number(object?.resourceVersion));
  }
}

/** The outcome of something that must not have waited. */
export function atOnce<T>(outcome: T | Promise<T>): T {
  if (outcome instanceof Promise) throw new Error("it waited");
  return outcome;
}

/** "OK", or the code of the status that the call ends with. Any other error is a fault. */
export function codeOf(run: () => unknown): string {
  try {
    run();
    return "OK";
  } catch (error) {
    if (error instanceof StatusError) return error.code;
    throw error;
  }
}
