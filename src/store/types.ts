import type { CodeName } from "../base/status-error.ts";

/** A point in time, in the shape of google.protobuf.Timestamp. */
export interface Instant {
  readonly seconds: bigint;
  readonly nanos: number;
}

export type ConditionStatus = "True" | "False" | "Unknown";

/** A condition as a provider sent it, checked. */
export interface ConditionInput {
  readonly type: string;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
  /** The provider's own transition time; undefined where it sent none. */
  readonly at: Instant | undefined;
}

/** A provider's complete report on a GPU, checked: no type twice. */
export interface StatusInput {
  readonly conditions: readonly ConditionInput[];
  readonly action: string;
}

/** A condition as it is kept, for one provider on one GPU. */
export interface Report {
  readonly type: string;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
  /** When the status last moved. */
  readonly since: Instant;
  /** The number of the transaction in which the status last moved: orders reports where clocks cannot. */
  readonly movedIn: number;
}

/** Everything one provider says about one GPU. */
export interface ProviderReport {
  readonly conditions: ReadonlyMap<string, Report>;
  readonly action: string;
}

/** What is known about one GPU, before it is condensed to what consumers see. Immutable. */
export interface GpuFacts {
  /** In the spelling of the first registration. */
  readonly name: string;
  readonly uuid: string;
  /** Provider ids in the order of their registration; the first may change the uuid. Never empty. */
  readonly registrations: readonly string[];
  readonly reports: ReadonlyMap<string, ProviderReport>;
}

/** Who writes: a built-in provider, or a peer that may claim an id. */
export type Writer =
  | { readonly kind: "builtin"; readonly id: string }
  | {
      readonly kind: "peer";
      /** As identityOf() names it. */
      readonly identity: string;
      /** uid 0: may use every id but the server's own. */
      readonly superuser: boolean;
      /** The id in the message; "" where it was left out. */
      readonly claimedId: string;
    };

export type EventType = "ADDED" | "MODIFIED" | "DELETED";

/** The three states in which every GPU is counted. */
export type Health = "healthy" | "unhealthy" | "unknown";

/** What the store tells about itself while it works, for metrics and logs. */
export interface StoreObserver {
  /** One event was handed to one watcher. */
  eventSent(type: EventType): void;
  /** A watch was ended because the history moved past it. */
  watcherExpired(): void;
  /** A provider's lease ran out; so many GPUs changed. */
  providerLost(id: string, gpus: number): void;
  /** A transaction was rolled back that no caller is told of, or one that had been open for too long. */
  rolledBack(code: CodeName | "FAULT", message: string): void;
}
