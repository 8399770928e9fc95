import type { ConditionInput, StatusInput } from "../store/types.ts";

/** What a built-in provider says about one GPU. */
export interface GpuReport {
  readonly name: string;
  readonly uuid: string;
  /** Complete: replaces what the provider said before. */
  readonly status: StatusInput;
}

/** What the server offers to a built-in provider. */
export interface ProviderHost {
  /**
   * Registers the GPUs that are new and replaces the provider's reports on all of these, in one transaction: consumers
   * see all of it or none. Returns each GPU's version.
   */
  publish(reports: readonly GpuReport[]): Promise<ReadonlyMap<string, number>>;
  /** Takes the provider's registrations and reports on these GPUs away, in one transaction. */
  withdraw(names: readonly string[]): Promise<void>;
}

/**
 * A provider that is part of the server. It writes by the same rules as those outside, under an id of its own, and is
 * the one place that knows the hardware. A fault of it never stops the server.
 */
export interface Provider extends AsyncDisposable {
  readonly id: string;
  /** Begins to publish; resolves after the first round. */
  start(host: ProviderHost): Promise<void>;
  /**
   * An operator's word that a GPU is well, or one condition of it. Resolves when consumers see it, to the conditions
   * that were bad and no longer are, as they were; none for a GPU that is another provider's. The next bad reading
   * raises them again.
   */
  clear(name: string, type: string | undefined): Promise<readonly ConditionInput[]>;
}
