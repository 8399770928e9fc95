import type {
  Answer,
  Command,
  PlainStatus,
  PlainWriter,
  Step,
  StepAnswer,
  VisibleEvent,
  VisibleGpu,
} from "./commands.ts";
import {
  claim,
  dismiss,
  type ModelProvider,
  newProvider,
  Refusal,
  renewByHeartbeat,
  renewByWrite,
} from "./model-providers.ts";
import {
  hasCountingFault,
  type Instant,
  isGood,
  type ModelReport,
  type ModelRules,
  reportAfter,
  type Shown,
  type Statement,
  shownOf,
} from "./model-status.ts";
import { naturally } from "./natural-names.ts";

export interface ModelOptions {
  readonly startVersion: number;
  readonly rules: ModelRules;
  readonly leaseMs: number;
  readonly bound: readonly (readonly [id: string, identity: string])[];
}

/** When a transaction began. */
export interface ModelTime {
  readonly wallUs: number;
  readonly nowMs: number;
}

interface ModelGpu {
  name: string;
  uuid: string;
  registrations: string[];
  statements: Statement[];
  /** Taken away in this transaction; keeps its place in case that it comes back in the same one. */
  gone: boolean;
  /** As consumers see it; undefined as long as they do not. */
  seen: VisibleGpu | undefined;
}

interface State {
  version: number;
  gpus: ModelGpu[];
  providers: ModelProvider[];
}

type Write = Extract<Command, { do: "write" }>;

const CONDITIONS_MAX = 64;
const GPUS_MAX = 4_096;
const LIST_BYTES_MAX = 3.5 * 1024 * 1024;

/**
 * What the contract says, for one server in process: arrays that are searched from the start, a whole copy of the
 * state to go back to, everything visible worked out anew after each transaction.
 */
export class Model {
  readonly #options: ModelOptions;
  #state: State;
  #transactions = 0;
  /** GPUs in the order in which the present transaction first changed them. */
  #changed: ModelGpu[] = [];
  #answers: { readonly answer: () => StepAnswer }[] = [];

  /** How large the list would be in bytes; given from outside, for it is a matter of the encoding. */
  readonly #listBytes: (gpus: readonly VisibleGpu[]) => number;

  constructor(options: ModelOptions, listBytes: (gpus: readonly VisibleGpu[]) => number) {
    this.#options = options;
    this.#listBytes = listBytes;
    this.#state = { version: options.startVersion, gpus: [], providers: [] };
  }

  get version(): number {
    return this.#state.version;
  }

  /** The list, by natural order of the names. */
  get gpus(): readonly VisibleGpu[] {
    return this.#state.gpus.flatMap(({ seen }) => seen ?? []).sort((a, b) => naturally(a.name, b.name));
  }

  /** The next moment at which a lease runs out. */
  get nextLeaseEndMs(): number {
    return Math.min(
      ...this.#state.providers.map(({ leaseEndMs, lost }) => (lost ? undefined : leaseEndMs) ?? Infinity),
    );
  }

  /** `committed` false: the transaction took too long, and all of it is taken back. */
  write(
    { steps, throws }: Write,
    at: ModelTime,
    committed = true,
  ): { answer: Answer; events: readonly VisibleEvent[] } {
    let answers: StepAnswer[] = [];
    const result = this.#transact(at, (moment) => {
      for (const step of steps) this.#answers.push({ answer: this.#step(step, moment, at.nowMs) });
      if (throws) throw new Refusal("FAILED_PRECONDITION");
      if (!committed) throw new Refusal("ABORTED");
      return true;
    });
    if (!("code" in result)) answers = this.#answers.map(({ answer }) => answer());
    return "code" in result ? { answer: result, events: [] } : { answer: answers, events: result };
  }

  /** One transaction for all leases that have run out by now. */
  expireLeases(at: ModelTime): readonly VisibleEvent[] {
    const result = this.#transact(at, (moment) => {
      for (const provider of this.#state.providers) {
        if (provider.lost || provider.leaseEndMs === undefined || provider.leaseEndMs > at.nowMs) continue;
        provider.lost = true;
        provider.owesNotice = true;
        for (const gpu of this.#state.gpus) this.#changing(gpu, () => this.#loseTrust(gpu, provider.id, moment));
      }
      return false;
    });
    if ("code" in result) throw new Error(`leases ran out with ${result.code}`);
    return result;
  }

  #transact(at: ModelTime, run: (moment: Instant) => boolean): readonly VisibleEvent[] | { code: string } {
    const saved = copy(this.#state);
    const moment = { transaction: ++this.#transactions, now: BigInt(at.wallUs) * 1_000n };
    this.#changed = [];
    this.#answers = [];
    try {
      const limited = run(moment);
      return this.#commit(saved, moment, limited);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#state = saved;
      return { code: error.code };
    }
  }

  #commit(saved: State, moment: Instant, limited: boolean): readonly VisibleEvent[] {
    const events: VisibleEvent[] = [];
    const others = this.#state.gpus.filter((gpu) => !this.#changed.includes(gpu));
    for (const gpu of [...this.#changed, ...others]) {
      const event = this.#visibleChange(gpu, moment);
      if (event === undefined) continue;
      this.#state.version = event.version;
      gpu.seen = event.type === "DELETED" ? undefined : event.gpu;
      events.push(event);
    }
    this.#state.gpus = this.#state.gpus.filter(({ gone }) => !gone);
    if (limited && events.length > 0) {
      const bytes = this.#listBytes(this.gpus);
      const before = saved.gpus.flatMap(({ seen }) => seen ?? []);
      if (bytes > LIST_BYTES_MAX && bytes > this.#listBytes(before)) throw new Refusal("RESOURCE_EXHAUSTED");
    }
    return events;
  }

  #visibleChange(gpu: ModelGpu, moment: Instant): VisibleEvent | undefined {
    const { seen, name, uuid } = gpu;
    const version = this.#state.version + 1;
    if (gpu.gone) return seen && { type: "DELETED", version, gpu: { ...seen, version } };
    const before: Shown = seen ?? { action: "", conditions: [] };
    const { action, conditions } = shownOf(gpu.statements, before, this.#options.rules, moment);
    const after = { name, uuid, version, action, conditions };
    if (seen === undefined) return { type: "ADDED", version, gpu: after };
    if (Bun.deepEquals(after, { ...seen, version }, true)) return undefined;
    return { type: "MODIFIED", version, gpu: after };
  }

  /** Runs one command; what it answers is known once all is done. */
  #step(step: Step, moment: Instant, nowMs: number): () => StepAnswer {
    switch (step.do) {
      case "register":
        return this.#register(step, moment, nowMs);
      case "unregister":
        return this.#unregister(step, nowMs);
      case "status": {
        const gpu = this.#mustFind(step.name);
        const provider = this.#writeAs(step.as, gpu, nowMs);
        this.#changing(gpu, () => this.#stateAll(gpu, provider, step.status, moment));
        return () => ({ version: gpu.seen?.version ?? this.version });
      }
      case "condition": {
        const gpu = this.#mustFind(step.name);
        const provider = this.#writeAs(step.as, gpu, nowMs);
        this.#changing(gpu, () => {
          const { action, reports } = statementOf(gpu, provider);
          const said = reportAfter(
            step.condition,
            reports.find(({ type }) => type === step.condition.type),
            moment,
          );
          const known = reports.some(({ type }) => type === said.type);
          const next = known
            ? reports.map((report) => (report.type === said.type ? said : report))
            : [...reports, said];
          this.#takeStatement(gpu, { provider, action, reports: next });
        });
        return () => ({ version: gpu.seen?.version ?? this.version });
      }
      case "heartbeat": {
        const provider = claim(this.#state.providers, step.as, step.as.id, this.#options.bound, this.#isInUse);
        const acknowledged = renewByHeartbeat(provider, nowMs, this.#options.leaseMs);
        return () => ({ acknowledged });
      }
      case "forget":
        return this.#forget(step);
    }
  }

  #register(step: Extract<Step, { do: "register" }>, moment: Instant, nowMs: number): () => StepAnswer {
    const found = this.#find(step.name);
    const provider = this.#writeAs(step.as, found, nowMs);
    if (found === undefined && this.#present().length >= GPUS_MAX) throw new Refusal("RESOURCE_EXHAUSTED");
    const holder = this.#present().find(({ uuid }) => uuid !== "" && same(uuid, step.uuid));
    if (holder !== undefined && !same(holder.name, step.name)) throw new Refusal("ALREADY_EXISTS");
    const gpu = found ?? this.#makeRoom(step.name);
    this.#changing(
      gpu,
      () => {
        if (!gpu.registrations.includes(provider)) gpu.registrations.push(provider);
        if (gpu.registrations[0] === provider && step.uuid !== "" && !same(gpu.uuid, step.uuid)) gpu.uuid = step.uuid;
        const hasReports = gpu.statements.some((statement) => statement.provider === provider);
        if (step.status !== undefined && !hasReports) this.#stateAll(gpu, provider, step.status, moment);
      },
      found === undefined,
    );
    return () => ({ created: found === undefined, version: gpu.seen?.version ?? this.version });
  }

  #unregister({ as, name }: Extract<Step, { do: "unregister" }>, nowMs: number): () => StepAnswer {
    const gpu = this.#find(name);
    if (gpu === undefined) return () => ({ deleted: false });
    const callers = as.identity === "" ? [as.id] : this.#idsOf(as.identity);
    for (const provider of this.#state.providers) {
      const standsHere =
        gpu.registrations.includes(provider.id) || gpu.statements.some((said) => said.provider === provider.id);
      if (standsHere && callers.includes(provider.id)) renewByWrite(provider, nowMs, this.#options.leaseMs);
    }
    this.#changing(gpu, () => this.#takeAway(gpu, callers));
    const deleted = gpu.gone;
    return () => ({ deleted });
  }

  #forget({ id, force }: Extract<Step, { do: "forget" }>): () => StepAnswer {
    dismiss(this.#state.providers, id, force);
    const touched = this.#present().filter(
      ({ registrations, statements }) => registrations.includes(id) || statements.some((said) => said.provider === id),
    );
    const conditions = touched.reduce((sum, gpu) => sum + statementOf(gpu, id).reports.length, 0);
    for (const gpu of touched) this.#changing(gpu, () => this.#takeAway(gpu, [id]));
    const deleted = touched.flatMap(({ gone, name }) => (gone ? [name] : [])).sort();
    return () => ({ forgotten: { gpus: touched.length, conditions, deleted } });
  }

  #takeAway(gpu: ModelGpu, providers: readonly string[]): void {
    gpu.registrations = gpu.registrations.filter((id) => !providers.includes(id));
    gpu.statements = gpu.statements.filter(({ provider }) => !providers.includes(provider));
    gpu.gone = gpu.registrations.length === 0;
  }

  /**
   * The GPU under a name that nobody holds now. One that this transaction took away keeps its place, and its spelling
   * where consumers know it: they never see it gone.
   */
  #makeRoom(name: string): ModelGpu {
    const gone = this.#state.gpus.find((gpu) => gpu.gone && same(gpu.name, name));
    const gpu = gone ?? { name, uuid: "", registrations: [], statements: [], gone: false, seen: undefined };
    if (gone === undefined) this.#state.gpus.push(gpu);
    const spelling = gpu.seen?.name ?? name;
    return Object.assign(gpu, { name: spelling, uuid: "", registrations: [], statements: [], gone: false });
  }

  #stateAll(gpu: ModelGpu, provider: string, { conditions, action }: PlainStatus, moment: Instant): void {
    const before = statementOf(gpu, provider).reports;
    const reports = conditions.map((said) =>
      reportAfter(
        said,
        before.find(({ type }) => type === said.type),
        moment,
      ),
    );
    this.#takeStatement(gpu, { provider, action, reports });
  }

  /** The one way for a provider's words into the state. Advice counts only with a fault; no report, no statement. */
  #takeStatement(gpu: ModelGpu, { provider, action, reports }: Statement): void {
    const advice = hasCountingFault(this.#options.rules, reports) ? action : "";
    const count = () => gpu.statements.reduce((sum, statement) => sum + statement.reports.length, 0);
    const before = count();
    const said = { provider, action: advice, reports };
    const known = gpu.statements.find((statement) => statement.provider === provider);
    // The same reports in another order say nothing new.
    if (known?.action === advice && known.reports.length === reports.length) {
      if (reports.every((report) => known.reports.some((old) => Bun.deepEquals(old, report)))) return;
    }
    if (reports.length === 0) gpu.statements = gpu.statements.filter((statement) => statement.provider !== provider);
    else if (known === undefined) gpu.statements = [...gpu.statements, said];
    else gpu.statements = gpu.statements.map((statement) => (statement.provider === provider ? said : statement));
    if (count() > CONDITIONS_MAX && count() > before) throw new Refusal("RESOURCE_EXHAUSTED");
  }

  #loseTrust(gpu: ModelGpu, provider: string, moment: Instant): void {
    const { action, reports } = statementOf(gpu, provider);
    const message = `its provider has been silent for more than ${this.#options.leaseMs / 1_000} s`;
    const next: ModelReport[] = reports.map((report) =>
      isGood(this.#options.rules, report)
        ? reportAfter({ type: report.type, status: "Unknown", reason: "ProviderLost", message }, report, moment)
        : report,
    );
    this.#takeStatement(gpu, { provider, action, reports: next });
  }

  /** The id that the writer writes under: the one it names, else its own on this GPU, else its identity's. */
  #writeAs(writer: PlainWriter, gpu: ModelGpu | undefined, nowMs: number): string {
    const { providers } = this.#state;
    if (writer.identity === "") {
      // Whatever peers claim, there is room for the server's own.
      if (!providers.some(({ id }) => id === writer.id)) providers.push(newProvider(writer.id, ""));
      return writer.id;
    }
    const own = gpu?.registrations.find((id) => this.#idsOf(writer.identity).includes(id));
    const provider = claim(providers, writer, writer.id || own || writer.identity, this.#options.bound, this.#isInUse);
    renewByWrite(provider, nowMs, this.#options.leaseMs);
    return provider.id;
  }

  #changing(gpu: ModelGpu, change: () => void, always = false): void {
    const { name, uuid, registrations, statements, gone } = gpu;
    const before = { name, uuid, registrations: [...registrations], statements, gone };
    change();
    const changed = always || !Bun.deepEquals({ ...gpu, seen: undefined }, { ...before, seen: undefined });
    if (changed && !this.#changed.includes(gpu)) this.#changed.push(gpu);
  }

  readonly #isInUse = (id: string): boolean =>
    this.#present().some(
      ({ registrations, statements }) =>
        registrations.includes(id) || statements.some(({ provider }) => provider === id),
    );

  #idsOf(identity: string): readonly string[] {
    return this.#state.providers.filter((provider) => provider.identity === identity).map(({ id }) => id);
  }

  #present(): readonly ModelGpu[] {
    return this.#state.gpus.filter(({ gone }) => !gone);
  }

  #find(name: string): ModelGpu | undefined {
    return this.#present().find((gpu) => same(gpu.name, name));
  }

  #mustFind(name: string): ModelGpu {
    const gpu = this.#find(name);
    if (gpu === undefined) throw new Refusal("NOT_FOUND");
    return gpu;
  }
}

function statementOf(gpu: ModelGpu, provider: string): Statement {
  return gpu.statements.find((said) => said.provider === provider) ?? { provider, action: "", reports: [] };
}

function copy({ version, gpus, providers }: State): State {
  return {
    version,
    gpus: gpus.map((gpu) => ({ ...gpu, registrations: [...gpu.registrations] })),
    providers: providers.map((provider) => ({ ...provider })),
  };
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
