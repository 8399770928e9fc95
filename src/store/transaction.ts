import { resourceExhausted, StatusError } from "../base/status-error.ts";
import type { Moment } from "./aggregate.ts";
import type { ConditionReader } from "./condition-rules.ts";
import { withCondition, withLostProvider, withoutProviders, withRegistration, withStatus, withUuid } from "./facts.ts";
import type { GpuObject } from "./gpu-object.ts";
import { GPUS_MAX } from "./limits.ts";
import {
  isOverdue,
  judgeClaim,
  judgeForgetting,
  leaseRemainingMs,
  type Provider,
  renewedByHeartbeat,
  renewedByWrite,
  toForget,
} from "./providers.ts";
import type { ConditionInput, GpuFacts, StatusInput, Writer } from "./types.ts";

/** A GPU as committed. */
export interface Entry {
  readonly facts: GpuFacts;
  readonly object: GpuObject;
}

/** The committed state; only a commit changes it. */
export interface StoreState {
  /** By name in lower case. */
  readonly gpus: ReadonlyMap<string, Entry>;
  /** UUID in lower case to the GPU's key. */
  readonly uuids: ReadonlyMap<string, string>;
  readonly providers: ReadonlyMap<string, Provider>;
}

export interface TransactionContext {
  readonly reader: ConditionReader;
  readonly bound: ReadonlyMap<string, string>;
  readonly leaseMs: number;
  readonly nowMs: number;
  readonly at: Moment;
}

/** The version is known once the transaction is committed. */
export interface WriteOutcome {
  resourceVersion: number;
}

export interface RegisterInput {
  readonly name: string;
  readonly uuid: string;
  readonly status: StatusInput | undefined;
}

/** What went with a provider. */
export interface ForgetOutcome {
  /** Names of the GPUs that it had registered or reported on. */
  readonly gpus: readonly string[];
  readonly conditions: number;
  /** Names of GPUs that nobody else has registered. */
  readonly deleted: readonly string[];
}

export const keyOf = (name: string): string => name.toLowerCase();

/**
 * Commands of one writer or several, drafted over the committed state: nobody sees a draft, and a command that throws
 * takes all of them back. Use it only inside the section that received it.
 */
export class Transaction {
  /** Drafts by key, in the order of the first touch; undefined for a GPU that goes. */
  readonly gpus = new Map<string, GpuFacts | undefined>();
  readonly providers = new Map<string, Provider>();
  readonly forgotten = new Set<string>();
  readonly outcomes: { readonly key: string; readonly outcome: WriteOutcome }[] = [];
  readonly lost: { readonly id: string; readonly gpus: number }[] = [];
  readonly #state: StoreState;
  readonly #context: TransactionContext;
  /** UUID in lower case to key, of the drafts alone. */
  readonly #uuids = new Map<string, string>();
  /** GPUs, drafts included. */
  #count: number;
  #closed = false;

  constructor(state: StoreState, context: TransactionContext) {
    this.#state = state;
    this.#context = context;
    this.#count = state.gpus.size;
  }

  get at(): Moment {
    return this.#context.at;
  }

  /** Nothing more can be drafted. */
  close(): void {
    this.#closed = true;
  }

  register(writer: Writer, input: RegisterInput): WriteOutcome & { readonly created: boolean } {
    const key = keyOf(input.name);
    const before = this.#find(key);
    const provider = this.#resolve(writer, before);
    if (before === undefined) this.#checkRoom();
    // One that this transaction took away keeps its spelling: consumers, who never see it gone, know it by that.
    const name = this.#state.gpus.get(key)?.facts.name ?? input.name;
    const known = before ?? { name, uuid: "", registrations: [], reports: new Map() };
    let next = withRegistration(known, provider);
    this.#checkUuid(key, input.uuid);
    if (next.registrations[0] === provider) next = withUuid(next, input.uuid);
    if (input.status !== undefined && !next.reports.has(provider)) {
      next = withStatus(next, provider, input.status, this.#context.reader, this.at);
    }
    if (next !== before) this.#draft(key, next);
    return Object.assign(this.#outcome(key), { created: before === undefined });
  }

  /** Takes away what the writer registered and reported, under all of its ids. */
  unregister(writer: Writer, name: string): { readonly deleted: boolean } {
    const key = keyOf(name);
    const before = this.#find(key);
    if (before === undefined) return { deleted: false };
    const ids = this.#idsOf(writer, before);
    if (writer.kind === "peer") for (const id of ids) this.#renew(id);
    const next = withoutProviders(before, ids);
    const deleted = next.registrations.length === 0;
    if (next !== before) this.#draft(key, deleted ? undefined : next);
    return { deleted };
  }

  updateStatus(writer: Writer, name: string, status: StatusInput): WriteOutcome {
    return this.#update(writer, name, (facts, provider) =>
      withStatus(facts, provider, status, this.#context.reader, this.at),
    );
  }

  updateCondition(writer: Writer, name: string, condition: ConditionInput): WriteOutcome {
    return this.#update(writer, name, (facts, provider) =>
      withCondition(facts, provider, condition, this.#context.reader, this.at),
    );
  }

  heartbeat(writer: Writer & { kind: "peer" }): { readonly acknowledged: boolean } {
    this.#assertOpen();
    const id = this.#claim(writer, writer.claimedId);
    const renewal = renewedByHeartbeat(this.#provider(id), this.#context.nowMs);
    this.providers.set(id, renewal.provider);
    return { acknowledged: renewal.acknowledged };
  }

  /**
   * Takes away everything under the id of a provider that is gone, and the id with its lease. Throws NOT_FOUND, or
   * FAILED_PRECONDITION for a built-in one and, without `force`, for one whose lease is in force.
   */
  forgetProvider(id: string, force: boolean): ForgetOutcome {
    this.#assertOpen();
    const { leaseMs, nowMs } = this.#context;
    const known = this.#known(id);
    judgeForgetting(id, known, { force, remainingMs: known && leaseRemainingMs(known, leaseMs, nowMs) });
    const deleted: string[] = [];
    const gpus: string[] = [];
    let conditions = 0;
    for (const before of [...this.#everyGpu()]) {
      const next = withoutProviders(before, new Set([id]));
      if (next === before) continue;
      gpus.push(before.name);
      conditions += before.reports.get(id)?.conditions.size ?? 0;
      const isLast = next.registrations.length === 0;
      if (isLast) deleted.push(before.name);
      this.#draft(keyOf(before.name), isLast ? undefined : next);
    }
    this.providers.delete(id);
    this.forgotten.add(id);
    return { gpus, conditions, deleted };
  }

  /** Whether this GPU is known, drafts included. */
  has(name: string): boolean {
    return this.#find(keyOf(name)) !== undefined;
  }

  /** Turns the good conditions of every overdue provider to Unknown. */
  expireLeases(): void {
    const { leaseMs, nowMs, reader } = this.#context;
    for (const provider of this.#state.providers.values()) {
      if (!isOverdue(provider, leaseMs, nowMs)) continue;
      this.providers.set(provider.id, { ...provider, lease: { kind: "lost" } });
      let gpus = 0;
      for (const key of this.#state.gpus.keys()) {
        const before = this.#find(key);
        if (before === undefined) continue;
        const next = withLostProvider(before, provider.id, leaseMs, reader, this.at);
        if (next === before) continue;
        this.#draft(key, next);
        gpus++;
      }
      this.lost.push({ id: provider.id, gpus });
    }
  }

  #update(writer: Writer, name: string, change: (facts: GpuFacts, provider: string) => GpuFacts): WriteOutcome {
    const key = keyOf(name);
    const before = this.#find(key);
    if (before === undefined) throw new StatusError("NOT_FOUND", `no GPU is named ${JSON.stringify(name)}`);
    const next = change(before, this.#resolve(writer, before));
    if (next !== before) this.#draft(key, next);
    return this.#outcome(key);
  }

  #assertOpen(): void {
    if (this.#closed) throw new StatusError("ABORTED", "the transaction is over");
  }

  #find(key: string): GpuFacts | undefined {
    this.#assertOpen();
    return this.gpus.has(key) ? this.gpus.get(key) : this.#state.gpus.get(key)?.facts;
  }

  #draft(key: string, facts: GpuFacts | undefined): void {
    const before = this.#find(key);
    this.#count += Number(facts !== undefined) - Number(before !== undefined);
    this.gpus.set(key, facts);
    if (before?.uuid === facts?.uuid) return;
    const uuid = before?.uuid.toLowerCase() ?? "";
    if (this.#uuids.get(uuid) === key) this.#uuids.delete(uuid);
    if (facts !== undefined && facts.uuid !== "") this.#uuids.set(facts.uuid.toLowerCase(), key);
  }

  #outcome(key: string): WriteOutcome {
    const outcome = { resourceVersion: 0 };
    this.outcomes.push({ key, outcome });
    return outcome;
  }

  /** The id to write under: as claimed, else of the caller's registration on this GPU, else the caller's identity. */
  #resolve(writer: Writer, facts: GpuFacts | undefined): string {
    if (writer.kind === "builtin") {
      // Without a look at the limit, for peers must not be able to keep the server's own providers out.
      const { id } = writer;
      const known = this.#known(id) ?? { id, identity: undefined, lease: { kind: "none" } };
      this.providers.set(id, renewedByWrite(known, this.#context.nowMs));
      return id;
    }
    const ofCaller = (id: string) => this.#known(id)?.identity === writer.identity;
    const id = this.#claim(writer, writer.claimedId || (facts?.registrations.find(ofCaller) ?? writer.identity));
    this.#renew(id);
    return id;
  }

  #renew(id: string): void {
    this.providers.set(id, renewedByWrite(this.#provider(id), this.#context.nowMs));
  }

  #claim(writer: Writer & { kind: "peer" }, id: string): string {
    const known = this.#known(id);
    const claim = { id, identity: writer.identity, superuser: writer.superuser };
    const inUse = () => this.#isInUse(id);
    const provider = judgeClaim(claim, { bound: this.#context.bound, known, inUse });
    if (known === undefined) this.#remember(provider);
    else if (provider !== known) this.providers.set(id, provider);
    return id;
  }

  #known(id: string): Provider | undefined {
    return this.providers.get(id) ?? (this.forgotten.has(id) ? undefined : this.#state.providers.get(id));
  }

  #provider(id: string): Provider {
    const provider = this.#known(id);
    if (provider === undefined) throw new StatusError("ABORTED", `provider ${id} is gone`);
    return provider;
  }

  #remember(provider: Provider): void {
    const known = new Map([...this.#state.providers, ...this.providers]);
    for (const id of this.forgotten) if (!this.providers.has(id)) known.delete(id);
    const forgotten = toForget(known, () => this.#idsInUse());
    if (forgotten !== undefined) {
      this.forgotten.add(forgotten);
      this.providers.delete(forgotten);
    }
    this.providers.set(provider.id, provider);
  }

  /** Whether anything is registered or reported under the id; an id that is in use is mostly found at once. */
  #isInUse(id: string): boolean {
    for (const facts of this.#everyGpu()) if (facts.registrations.includes(id) || facts.reports.has(id)) return true;
    return false;
  }

  #idsInUse(): ReadonlySet<string> {
    const ids = new Set<string>();
    for (const { registrations, reports } of this.#everyGpu()) {
      for (const id of registrations) ids.add(id);
      for (const id of reports.keys()) ids.add(id);
    }
    return ids;
  }

  /** Drafts included. */
  *#everyGpu(): Iterable<GpuFacts> {
    for (const facts of this.gpus.values()) if (facts !== undefined) yield facts;
    for (const [key, { facts }] of this.#state.gpus) if (!this.gpus.has(key)) yield facts;
  }

  #idsOf(writer: Writer, facts: GpuFacts): ReadonlySet<string> {
    if (writer.kind === "builtin") return new Set([writer.id]);
    const ids = [...facts.registrations, ...facts.reports.keys()];
    return new Set(ids.filter((id) => this.#known(id)?.identity === writer.identity));
  }

  #checkRoom(): void {
    if (this.#count >= GPUS_MAX) throw resourceExhausted("name", `${GPUS_MAX} GPUs are registered already`);
  }

  /** Throws where the UUID is known under another name. */
  #checkUuid(key: string, uuid: string): void {
    const holder = this.#holderOf(uuid.toLowerCase());
    if (holder === undefined || holder === key) return;
    throw new StatusError("ALREADY_EXISTS", `spec.uuid: ${uuid} is known as ${this.#find(holder)?.name}`);
  }

  /** The key of the GPU with this UUID, drafts included. */
  #holderOf(uuid: string): string | undefined {
    const drafted = this.#uuids.get(uuid);
    if (drafted !== undefined) return drafted;
    const key = this.#state.uuids.get(uuid);
    if (key === undefined || !this.gpus.has(key)) return key;
    return this.gpus.get(key)?.uuid.toLowerCase() === uuid ? key : undefined;
  }
}
