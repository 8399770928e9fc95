import type { Logger } from "../../base/log.ts";
import type { ConditionInput, StatusInput } from "../../store/types.ts";
import type { GpuReport, ProviderHost } from "../provider.ts";

/**
 * Brings what the provider says into the store: only what changed, all that changed in one transaction, at once where
 * none is under way, else as soon as that one is done; what changes meanwhile goes with the next one.
 */
export class Publisher {
  readonly #host: ProviderHost;
  readonly #log: Logger;
  #wanted: ReadonlyMap<string, StatusInput> = new Map();
  readonly #published = new Map<string, StatusInput>();
  /** What failed last for a GPU: a lasting failure is one line, not one each round. */
  readonly #failures = new Map<string, string>();
  #work: Promise<void> = Promise.resolve();
  /** Not the promise: that one settles some turns after the last look at what is wanted. */
  #busy = false;
  #closed = false;

  constructor(host: ProviderHost, log: Logger) {
    this.#host = host;
    this.#log = log;
  }

  /** What is to be seen of every GPU, by UUID; one that is missing is withdrawn. */
  show(wanted: ReadonlyMap<string, StatusInput>): void {
    if (this.#closed) return;
    this.#wanted = wanted;
    if (!this.#busy) this.#work = this.#publishAll();
  }

  /** Resolves when what was last shown has been written, or could not be. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /** Waits for the transaction that is under way; nothing more is written. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#work;
  }

  async #publishAll(): Promise<void> {
    this.#busy = true;
    for (let shown: unknown; shown !== this.#wanted && !this.#closed; ) {
      const wanted = this.#wanted;
      shown = wanted;
      // First: the MIG instances that a GPU had and those it has now are not to be seen beside each other.
      const gone = [...this.#published.keys()].filter((uuid) => !wanted.has(uuid));
      if (gone.length > 0) await this.#withdraw(gone);
      const changed = [...wanted].filter(([uuid, status]) => !isSame(this.#published.get(uuid), status));
      if (changed.length > 0) await this.#publish(changed.map(([uuid, status]) => ({ name: uuid, uuid, status })));
    }
    this.#busy = false;
  }

  /** One GPU that cannot be written (its UUID is taken by another name, say) must not keep the others out. */
  async #publish(reports: readonly GpuReport[]): Promise<void> {
    try {
      await this.#host.publish(reports);
    } catch (error) {
      if (reports.length > 1) {
        for (const report of reports) await this.#publish([report]);
        return;
      }
      for (const { name } of reports) this.#onFailure(name, error);
      return;
    }
    for (const { name, status } of reports) {
      this.#published.set(name, status);
      this.#failures.delete(name);
    }
  }

  async #withdraw(names: readonly string[]): Promise<void> {
    try {
      await this.#host.withdraw(names);
    } catch (error) {
      for (const name of names) this.#onFailure(name, error);
      return;
    }
    for (const name of names) this.#published.delete(name);
  }

  #onFailure(name: string, error: unknown): void {
    const problem = error instanceof Error ? error.message : String(error);
    if (this.#failures.get(name) === problem) return;
    this.#failures.set(name, problem);
    this.#log.warn("a GPU cannot be published; it is tried again with every change", { gpu: name, problem });
  }
}

function isSame(a: StatusInput | undefined, b: StatusInput): boolean {
  if (a === undefined || a.action !== b.action || a.conditions.length !== b.conditions.length) return false;
  return a.conditions.every((condition, i) => isSameCondition(condition, b.conditions[i]));
}

function isSameCondition(a: ConditionInput, b: ConditionInput | undefined): boolean {
  return a.type === b?.type && a.status === b.status && a.reason === b.reason && a.message === b.message;
}
