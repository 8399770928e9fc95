import { type CancelScope, UNBOUNDED } from "../base/cancel-scope.ts";
import type { Clock, Scheduler } from "../base/clock.ts";
import { compareNatural } from "../base/natural-order.ts";
import { RwLock } from "../base/rw-lock.ts";
import { StatusError } from "../base/status-error.ts";
import { healthOf } from "./aggregate.ts";
import { type CommitPlan, type ListSize, planCommit } from "./commit.ts";
import { ConditionReader, type ConditionRules } from "./condition-rules.ts";
import { type GpuObject, Snapshot } from "./gpu-object.ts";
import { History, type HistoryLimits } from "./history.ts";
import {
  faultsOf,
  type GpuProvider,
  type ProviderSummary,
  providersOf,
  type ReportedFault,
  summarize,
} from "./inspect.ts";
import { instantNow } from "./instants.ts";
import { TRANSACTION_MAX_MS } from "./limits.ts";
import type { Provider } from "./providers.ts";
import { type EventsQuery, listRecentEvents, type RecentEvent } from "./recent-events.ts";
import { type Entry, keyOf, Transaction } from "./transaction.ts";
import type { Health, StoreObserver } from "./types.ts";
import { expired, type Watcher, WatchHub, type WatchSink } from "./watch-hub.ts";

export interface StoreOptions {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly observer: StoreObserver;
  readonly rules: ConditionRules;
  /** How long a provider that sends heartbeats may be silent. */
  readonly leaseMs: number;
  /** --provider ID=UID, as id to identity. */
  readonly bound: ReadonlyMap<string, string>;
  readonly history: HistoryLimits;
}

/** After a lease expiry that failed: soon enough for an honest state, and no storm of attempts and log lines. */
const LEASE_RETRY_MS = 1_000;

/** The present state, for the length of one read section. */
export interface StoreView {
  readonly version: number;
  get(name: string): GpuObject | undefined;
  snapshot(): Snapshot;
  /** What is bad on the GPU, by provider; undefined for an unknown name. */
  faults(name: string): readonly ReportedFault[] | undefined;
  /** What each provider says about the GPU; undefined for an unknown name. */
  providersOf(name: string): readonly GpuProvider[] | undefined;
  /** Everybody who has written, the server's own first. */
  providers(): readonly ProviderSummary[];
  /** What changed last, newest first. */
  events(query: EventsQuery): readonly RecentEvent[];
}

export interface StoreStats {
  readonly version: number;
  readonly gpus: Readonly<Record<Health, number>>;
  readonly watchers: number;
  readonly providers: { readonly active: number; readonly lost: number };
}

/**
 * The cache: the state of every GPU of the node, its history and its watches.
 *
 * Promises: a read section sees one committed state; a transaction is seen as a whole or not at all; each changed
 * object takes the next version, and its event is in the history when the write returns; a transaction that throws, or
 * holds the lock for longer than TRANSACTION_MAX_MS, changes nothing. Knows no I/O.
 */
export class Store implements Disposable {
  readonly #options: StoreOptions;
  readonly #lock: RwLock;
  readonly #reader: ConditionReader;
  readonly #history: History;
  readonly #hub: WatchHub;
  readonly #gpus = new Map<string, Entry>();
  readonly #uuids = new Map<string, string>();
  readonly #providers = new Map<string, Provider>();
  readonly #view: StoreView;
  #snapshot: Snapshot | undefined;
  /** Keys in list order; undefined after a GPU came or went. */
  #order: readonly string[] | undefined;
  #list: ListSize = { bytes: 0, lossBytes: 0 };
  #transactions = 0;
  #leaseTimer: Disposable | undefined;
  #disposed = false;

  constructor(options: StoreOptions) {
    const { clock, scheduler, observer } = options;
    this.#options = options;
    this.#lock = new RwLock(clock, scheduler);
    this.#reader = new ConditionReader(options.rules);
    // A version of an earlier life lies below the clock's microseconds: no server changes objects a million times a
    // second for its whole life.
    const history = new History(clock.wallUs(), options.history);
    this.#history = history;
    this.#hub = new WatchHub(this.#history, scheduler, observer);
    this.#view = Object.freeze({
      get version() {
        return history.last;
      },
      get: (name: string) => this.#gpus.get(keyOf(name))?.object,
      snapshot: () => this.#takeSnapshot(),
      faults: (name: string) => {
        const entry = this.#gpus.get(keyOf(name));
        return entry && faultsOf(entry.facts, this.#inspection());
      },
      providersOf: (name: string) => {
        const entry = this.#gpus.get(keyOf(name));
        return entry && providersOf(entry.facts, entry.object.status, this.#inspection());
      },
      providers: () => {
        const facts = [...this.#gpus.values()].map((entry) => entry.facts);
        return summarize(facts, this.#inspection());
      },
      events: (query: EventsQuery) => listRecentEvents(history, query),
    });
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#leaseTimer?.[Symbol.dispose]();
    this.#leaseTimer = undefined;
  }

  /** Waits for updates that are under way or asked before; without any, the section runs at once. */
  read<T>(scope: CancelScope, section: (view: StoreView) => T): T | Promise<T> {
    return this.#lock.read(scope, () => section(this.#view));
  }

  /** All or nothing. The section may be asynchronous; readers wait until it is over. */
  write<T>(scope: CancelScope, section: (transaction: Transaction) => T | Promise<T>): T | Promise<T> {
    return this.#lock.write(scope, () => this.#transact(section));
  }

  /**
   * Opens a watch: with `after` undefined it shows the present state first, otherwise it goes on right after that
   * version. Throws OUT_OF_RANGE where the history does not reach back, or not yet, to it.
   */
  watch(scope: CancelScope, after: bigint | undefined, sink: WatchSink): Watcher | Promise<Watcher> {
    return this.#lock.read(scope, () => {
      if (after === undefined) return this.#hub.add(sink, this.#history.last, this.#takeSnapshot().objects);
      if (after < this.#history.oldestCursor || after > this.#history.last) throw expired(after, this.#history);
      return this.#hub.add(sink, Number(after), []);
    });
  }

  /** Not a read in the sense of the contract: for metrics, waits for nothing. */
  stats(): StoreStats {
    const gpus: Record<Health, number> = { healthy: 0, unhealthy: 0, unknown: 0 };
    for (const { object } of this.#gpus.values()) gpus[healthOf(object.status)]++;
    let lost = 0;
    for (const { lease } of this.#providers.values()) if (lease.kind === "lost") lost++;
    const providers = { active: this.#providers.size - lost, lost };
    return { version: this.#history.last, gpus, watchers: this.#hub.size, providers };
  }

  #inspection() {
    const { clock, leaseMs } = this.#options;
    return { reader: this.#reader, providers: this.#providers, leaseMs, nowMs: clock.monotonicMs() };
  }

  #takeSnapshot(): Snapshot {
    if (this.#snapshot !== undefined) return this.#snapshot;
    this.#order ??= [...this.#gpus.keys()].sort(compareNatural);
    const objects = this.#order.flatMap((key) => this.#gpus.get(key)?.object ?? []);
    this.#snapshot = new Snapshot(this.#history.last, objects);
    return this.#snapshot;
  }

  #transact<T>(section: (transaction: Transaction) => T | Promise<T>): T | Promise<T> {
    const { clock, bound, leaseMs } = this.#options;
    const state = { gpus: this.#gpus, uuids: this.#uuids, providers: this.#providers };
    const at = { transaction: ++this.#transactions, now: instantNow(clock) };
    const context = { reader: this.#reader, bound, leaseMs, nowMs: clock.monotonicMs(), at };
    const transaction = new Transaction(state, context);
    let later = false;
    try {
      const outcome = section(transaction);
      later = outcome instanceof Promise;
      if (outcome instanceof Promise) return this.#commitLater(transaction, outcome);
      this.#commit(transaction);
      return outcome;
    } finally {
      if (!later) transaction.close();
    }
  }

  async #commitLater<T>(transaction: Transaction, outcome: Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const message = `the transaction was open for more than ${TRANSACTION_MAX_MS} ms and was rolled back`;
    const { scheduler, observer } = this.#options;
    using _timer = scheduler.setTimer(() => {
      reject(new StatusError("ABORTED", message));
      observer.rolledBack("ABORTED", message);
    }, TRANSACTION_MAX_MS);
    try {
      const result = await Promise.race([outcome, late]);
      this.#commit(transaction);
      return result;
    } finally {
      transaction.close();
    }
  }

  #commit(transaction: Transaction): void {
    const moment = { version: this.#history.last, atMs: Math.floor(this.#options.clock.wallUs() / 1_000) };
    const plan = planCommit(transaction, this.#gpus, moment, this.#list, this.#reader);
    this.#apply(plan);
    for (const id of transaction.forgotten) this.#providers.delete(id);
    for (const [id, provider] of transaction.providers) this.#providers.set(id, provider);
    for (const { key, outcome } of transaction.outcomes) {
      outcome.resourceVersion = this.#gpus.get(key)?.object.version ?? this.#history.last;
    }
    if (transaction.providers.size > 0) this.#armLeaseTimer(0);
    if (plan.events.length > 0) this.#hub.notify();
    for (const { id, gpus } of transaction.lost) this.#options.observer.providerLost(id, gpus);
  }

  /** The only place that writes the committed state. */
  #apply(plan: CommitPlan): void {
    for (const { key, before, after } of plan.changes) {
      const isSameUuid = before?.facts.uuid === after?.facts.uuid;
      if (before !== undefined && !isSameUuid) this.#uuids.delete(before.facts.uuid.toLowerCase());
      if (after === undefined) this.#gpus.delete(key);
      else this.#gpus.set(key, after);
      if ((before === undefined) !== (after === undefined)) this.#order = undefined;
    }
    for (const { key, before, after } of plan.changes) {
      if (after === undefined || after.facts.uuid === "" || before?.facts.uuid === after.facts.uuid) continue;
      this.#uuids.set(after.facts.uuid.toLowerCase(), key);
    }
    for (const event of plan.events) this.#history.append(event);
    if (plan.events.length > 0) this.#snapshot = undefined;
    this.#list = plan.list;
  }

  /** One timer for all leases: they are equally long, so the one that was renewed first ends first. */
  #armLeaseTimer(leastMs: number): void {
    if (this.#leaseTimer !== undefined || this.#disposed) return;
    const { clock, scheduler, leaseMs } = this.#options;
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const { lease } of this.#providers.values()) {
      if (lease.kind === "held") earliestMs = Math.min(earliestMs, lease.renewedAtMs + leaseMs);
    }
    if (earliestMs === Number.POSITIVE_INFINITY) return;
    // Timers may fire a fraction early; rounding up saves a second round.
    const delayMs = Math.max(leastMs, Math.ceil(earliestMs - clock.monotonicMs()));
    this.#leaseTimer = scheduler.setTimer(() => void this.#expireLeases(), delayMs);
  }

  async #expireLeases(): Promise<void> {
    let leastMs = 0;
    try {
      await this.write(UNBOUNDED, (transaction) => transaction.expireLeases());
    } catch (error) {
      leastMs = LEASE_RETRY_MS;
      const code = error instanceof StatusError ? error.code : "FAULT";
      this.#options.observer.rolledBack(code, `lease expiry: ${error instanceof Error ? error.message : error}`);
    } finally {
      this.#leaseTimer = undefined;
      this.#armLeaseTimer(leastMs);
    }
  }
}
