/** What the API answers, as far as the page reads it; the OpenAPI document has all of it. */

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly lastTransitionTime?: string;
  readonly reason: string;
  readonly message: string;
}

export interface Gpu {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly spec: { readonly uuid: string };
  readonly status: { readonly conditions: readonly Condition[]; readonly recommendedAction: string };
}

export type ChangeType = "ADDED" | "MODIFIED" | "DELETED";

export interface ConditionChange {
  readonly type: string;
  readonly previousStatus: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

export interface GpuEvent {
  readonly resourceVersion: string;
  readonly time: string;
  readonly gpu: string;
  readonly type: ChangeType;
  readonly changes: readonly ConditionChange[];
  readonly whole: boolean;
  readonly previousAction?: string;
  readonly recommendedAction?: string;
  readonly by: string;
}

/** The first event of a stream. */
export interface Opened {
  readonly node: string;
  readonly version: string;
  readonly time: string;
  readonly snapshot: boolean;
}
