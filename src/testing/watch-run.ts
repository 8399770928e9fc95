import { drainMicrotasks } from "bun:jsc";
import { create, toBinary } from "@bufbuild/protobuf";
import { UNBOUNDED } from "../base/cancel-scope.ts";
import { WatchGpusResponseSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import type { HistoryLimits } from "../store/history.ts";
import type { Watcher } from "../store/watch-hub.ts";
import { type Command, simplerCommands, type VisibleEvent, type VisibleGpu } from "./commands.ts";
import { HandedOut } from "./handed-out.ts";
import { Model } from "./model.ts";
import { CONTRACT_RULES } from "./model-status.ts";
import { codeOf, StoreHarness } from "./store-harness.ts";
import { Consumer, type ConsumerHost } from "./watch-consumer.ts";
import { type CommittedLog, validateWatch } from "./watch-record.ts";
import { gpuMessage, readEvent } from "./wire-view.ts";

type Write = Extract<Command, { do: "write" }>;

export type WatchCommand =
  /** `opening`: watches that are asked for while the transaction is open. */
  | { readonly do: "write"; readonly write: Write; readonly opening?: readonly Opening[] }
  /** Lets the deferred work run: what is due goes out. */
  | { readonly do: "turn" }
  | { readonly do: "open"; readonly opening: Opening }
  /** The consumer takes so many messages more, and then says no. */
  | { readonly do: "stall"; readonly watcher: number; readonly after: number }
  | { readonly do: "resume"; readonly watcher: number; readonly room: number }
  /** The consumer goes away: at once, or from within its so-many-th message from now. */
  | { readonly do: "cancel"; readonly watcher: number; readonly after?: number };

export interface Opening {
  readonly watcher: number;
  /** How far before the present version it goes on (ahead of it where negative); undefined for a snapshot. */
  readonly back?: number;
  readonly room: number;
}

/** More messages than a run has. */
export const ROOM = 1_000_000;
/** A history that is bounded by its count alone. */
export const UNBOUNDED_BYTES = 1 << 30;

/** A store, a model that keeps a log of all events, and consumers in places numbered from 0. */
export class WatchRun implements Disposable, CommittedLog, ConsumerHost {
  readonly handedOut = new HandedOut();
  readonly consumers = new Map<number, Consumer>();
  /** Those whose place another one took. */
  readonly #former: Consumer[] = [];
  readonly #harness: StoreHarness;
  readonly #model: Model;
  readonly #limits: HistoryLimits;
  readonly #start: number;
  /** The event of version `#start + 1 + i`, with its encoded size. */
  readonly #log: { readonly event: VisibleEvent; readonly bytes: number }[] = [];
  readonly #decoded = new Map<Uint8Array, VisibleEvent>();
  readonly #count: (what: string) => void;
  #opened = 0;

  constructor(limits: HistoryLimits, count: (what: string) => void) {
    this.#harness = new StoreHarness({ leaseMs: 10_000, bound: [], history: limits });
    this.#start = this.#harness.time.wallUs();
    const options = { startVersion: this.#start, rules: CONTRACT_RULES, leaseMs: 10_000, bound: [] };
    this.#model = new Model(options, () => 0);
    this.#limits = limits;
    this.#count = count;
  }

  [Symbol.dispose](): void {
    this.#harness[Symbol.dispose]();
  }

  get version(): number {
    return this.#model.version;
  }

  isReadable(message: Uint8Array): boolean {
    const { type, version, gpu } = this.decode(message);
    const seen = this.#harness.store.read(UNBOUNDED, (view) => ({ all: view.version, gpu: view.get(gpu.name) }));
    // A transaction is open; whoever reads now sees what comes of that.
    if (seen instanceof Promise) return true;
    if (seen.gpu === undefined) return type === "DELETED" ? seen.all >= version : seen.all > version;
    return type === "DELETED" ? seen.gpu.version > version : seen.gpu.version >= version;
  }

  get gpus(): readonly VisibleGpu[] {
    return this.#model.gpus;
  }

  /** Deferred work waits for a turn. */
  get turnPending(): boolean {
    return this.#harness.time.pending > 0;
  }

  at(version: number): VisibleEvent | undefined {
    return this.#log[version - this.#start - 1]?.event;
  }

  listAt(version: number): readonly VisibleGpu[] {
    let list: readonly VisibleGpu[] = [];
    for (const { event } of this.#log.slice(0, version - this.#start)) {
      list = list.filter(({ name }) => name !== event.gpu.name);
      if (event.type !== "DELETED") list = [...list, event.gpu];
    }
    return list;
  }

  /** By the contract of the history: the latest events, bounded by count and bytes, but at least one. */
  get oldestCursor(): number {
    let bytes = 0;
    let count = 0;
    for (const entry of this.#log.toReversed()) {
      bytes += entry.bytes;
      if (count === this.#limits.events || (count > 0 && bytes > this.#limits.bytes)) break;
      count++;
    }
    return this.version - count;
  }

  decode(message: Uint8Array): VisibleEvent {
    const known = this.#decoded.get(message);
    if (known !== undefined) return known;
    const event = readEvent(message);
    this.#decoded.set(message, event);
    return event;
  }

  /** Throws where the store breaks a promise. */
  play(command: WatchCommand): void {
    switch (command.do) {
      case "write":
        this.#write(command.write, command.opening ?? []);
        break;
      case "turn":
        this.#harness.pass(0);
        this.#checkProgress();
        break;
      case "open":
        this.#open(command.opening);
        break;
      case "stall": {
        const consumer = this.consumers.get(command.watcher);
        if (consumer !== undefined && !consumer.blocked) consumer.room = command.after;
        break;
      }
      case "resume":
        this.consumers.get(command.watcher)?.resume(command.room);
        break;
      case "cancel":
        this.#cancel(command.watcher, command.after);
        break;
    }
    for (const { name, problems } of this.consumers.values()) {
      if (problems.length > 0) throw new Error(`${name}: ${problems.join(", ")}`);
    }
  }

  /** After a turn: whoever takes messages has them all, and nobody is left behind what the history holds. */
  #checkProgress(): void {
    const { oldestCursor, version } = this;
    for (const { name, cursor, blocked, cancelled, outcome } of this.consumers.values()) {
      if (cancelled || outcome !== undefined) continue;
      if (cursor < oldestCursor) throw new Error(`${name} is at ${cursor}, was overtaken, and is still open`);
      if (!blocked && cursor !== version) throw new Error(`${name} takes messages and is at ${cursor} of ${version}`);
    }
  }

  /** Everything that was ever sent; to be called when no turn is pending. */
  validate(): void {
    const broken = [...this.#former, ...this.consumers.values()].flatMap((consumer) =>
      validateWatch(consumer.record(consumer.raw.map((message) => this.decode(message))), this),
    );
    if (broken.length > 0) throw new Error(broken.join("\n"));
  }

  /** Lets every consumer take all that is there, and checks everything once more. */
  finish(): void {
    this.#harness.pass(0);
    this.#checkProgress();
    for (const consumer of this.consumers.values()) {
      if (!consumer.cancelled && consumer.outcome === undefined) consumer.resume(ROOM);
      this.#count(consumer.outcome === undefined ? (consumer.cancelled ? "cancelled" : "caught up") : "overtaken");
    }
    this.validate();
    this.#same(this.#harness.store.stats().version, this.version, "version");
    const open = [...this.consumers.values()].filter(
      (consumer) => !consumer.cancelled && consumer.outcome === undefined,
    );
    this.#same(this.#harness.store.stats().watchers, open.length, "number of watchers");
    this.#same(this.#harness.faults, [], "faults");
    this.handedOut.verify();
  }

  #write(write: Write, openings: readonly Opening[]): void {
    const { time } = this.#harness;
    const at = { wallUs: time.wallUs(), nowMs: time.monotonicMs() };
    const opened: Consumer[] = [];
    const answer =
      write.heldMs === undefined
        ? this.#harness.write(write)
        : this.#harness.writeHeld(write, write.heldMs, () => {
            for (const opening of openings) opened.push(...this.#attach(opening));
          });
    const expected = this.#model.write(write, at);
    for (const event of expected.events) this.#log.push({ event, bytes: this.#sizeOf(event) });
    this.#same(answer, expected.answer, "answer");
    // They waited for the transaction and then saw all of it.
    for (const consumer of opened) {
      if (consumer.refusal === undefined) this.#began(consumer);
      else this.#refused(consumer);
    }
  }

  /** The watch waited, and the history moved past it or its consumer went away. */
  #refused(consumer: Consumer): void {
    const { refusal, after, cancelled } = consumer;
    if (refusal === "OUT_OF_RANGE" && after !== undefined && after < this.oldestCursor) {
      for (const [place, other] of this.consumers) if (other === consumer) this.consumers.delete(place);
    } else if (refusal !== "CANCELLED" || !cancelled) {
      throw new Error(`${consumer.name} from ${after} was refused with ${refusal}`);
    }
  }

  #open(opening: Opening): void {
    const from = opening.back === undefined ? undefined : this.version - opening.back;
    const possible = from === undefined || (from >= this.oldestCursor && from <= this.version);
    this.#cancel(opening.watcher, undefined);
    const before = this.#harness.store.stats().watchers;
    const opened = this.#attach(opening);
    if (possible !== opened.length > 0) {
      throw new Error(
        `a watch from ${from} was ${possible ? "refused" : "let in"}: ${this.oldestCursor}..${this.version}`,
      );
    }
    if (!possible) this.#same(this.#harness.store.stats().watchers, before, "number of watchers after a refusal");
    this.#count(from === undefined ? "snapshots" : possible ? "resumed" : "refused");
    for (const consumer of opened) this.#began(consumer);
  }

  /** Asks for the watch; nothing where it was refused at once. */
  #attach({ watcher: place, back, room }: Opening): readonly Consumer[] {
    this.#cancel(place, undefined);
    const after = back === undefined ? undefined : this.version - back;
    const consumer = new Consumer(`watch ${++this.#opened} in place ${place}`, after, room, this);
    const attach = (watcher: Watcher) => {
      consumer.watcher = watcher;
      if (consumer.cancelled) watcher[Symbol.dispose]();
    };
    const former = this.consumers.get(place);
    if (former !== undefined) this.#former.push(former);
    this.consumers.delete(place);
    try {
      const opened = this.#harness.store.watch(consumer, after === undefined ? undefined : BigInt(after), consumer);
      if (opened instanceof Promise) {
        opened.then(attach, (error) => (consumer.refusal = codeOf(error).code));
        drainMicrotasks();
      } else attach(opened);
    } catch (error) {
      this.#same(codeOf(error).code, "OUT_OF_RANGE", "refusal of a watch");
      return [];
    }
    this.consumers.set(place, consumer);
    return [consumer];
  }

  #began(consumer: Consumer): void {
    consumer.startVersion = this.version;
    consumer.startList = this.gpus;
  }

  #cancel(place: number, after: number | undefined): void {
    const consumer = this.consumers.get(place);
    if (consumer === undefined || consumer.cancelled || consumer.outcome !== undefined) return;
    if (after === undefined) consumer.leave();
    else consumer.cancelAfter = after;
  }

  #sizeOf({ type, gpu }: VisibleEvent): number {
    if (this.#limits.bytes === UNBOUNDED_BYTES) return 0;
    return toBinary(WatchGpusResponseSchema, create(WatchGpusResponseSchema, { type, object: gpuMessage(gpu) })).length;
  }

  #same(store: unknown, model: unknown, what: string): void {
    if (Bun.deepEquals(store, model, true)) return;
    throw new Error(`${what}: the store says ${Bun.inspect(store)}, the model ${Bun.inspect(model)}`);
  }
}

/** Shorter forms of a command, the shortest first. */
export function simplerWatchCommands(command: WatchCommand): readonly WatchCommand[] {
  if (command.do !== "write") return [];
  const { opening = [], ...rest } = command;
  const fewer = opening.map((_, i) => ({ ...command, opening: opening.toSpliced(i, 1) }));
  const smaller = simplerCommands(command.write).flatMap((write) =>
    write.do === "write" && (opening.length === 0 || write.heldMs !== undefined) ? [{ ...command, write }] : [],
  );
  return [...(opening.length === 0 ? [] : [rest]), ...fewer, ...smaller];
}

/** Undefined where every promise was kept, otherwise what was broken. */
export function playWatches(
  limits: HistoryLimits,
  commands: readonly WatchCommand[],
  count: (what: string) => void = () => {},
): string | undefined {
  using run = new WatchRun(limits, count);
  let i = 0;
  try {
    for (const command of commands) {
      run.play(command);
      i++;
    }
    run.finish();
    return undefined;
  } catch (error) {
    return `at command ${i}: ${error instanceof Error ? error.message : error}`;
  }
}
