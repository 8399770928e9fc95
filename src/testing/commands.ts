import type { EventType } from "../store/types.ts";

/** A history as plain data, so that it can be printed, cut shorter and played again. */

export interface PlainWriter {
  /** Empty for a built-in provider. */
  readonly identity: string;
  readonly superuser: boolean;
  /** What the message names; for a built-in provider its own id. */
  readonly id: string;
}

export interface PlainCondition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  /** The provider's own transition time. */
  readonly at?: { readonly seconds: number; readonly nanos: number };
}

export interface PlainStatus {
  readonly conditions: readonly PlainCondition[];
  readonly action: string;
}

export type Step =
  | {
      readonly do: "register";
      readonly as: PlainWriter;
      readonly name: string;
      readonly uuid: string;
      readonly status?: PlainStatus;
    }
  | { readonly do: "unregister"; readonly as: PlainWriter; readonly name: string }
  | { readonly do: "status"; readonly as: PlainWriter; readonly name: string; readonly status: PlainStatus }
  | { readonly do: "condition"; readonly as: PlainWriter; readonly name: string; readonly condition: PlainCondition }
  | { readonly do: "heartbeat"; readonly as: PlainWriter }
  /** An operator's. */
  | { readonly do: "forget"; readonly id: string; readonly force: boolean };

export type Command =
  /** One transaction. `throws`: its last step fails for a reason of its own. `heldMs`: it stays open for so long. */
  | { readonly do: "write"; readonly steps: readonly Step[]; readonly throws?: true; readonly heldMs?: number }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "leap"; readonly seconds: number };

/** What one step of a transaction answers. */
export interface StepAnswer {
  readonly created?: boolean;
  readonly version?: number;
  readonly deleted?: boolean;
  readonly acknowledged?: boolean;
  readonly forgotten?: { readonly gpus: number; readonly conditions: number; readonly deleted: readonly string[] };
}

/** What a transaction comes to: an answer for each step, or the code of the error. */
export type Answer = readonly StepAnswer[] | { readonly code: string };

export interface VisibleCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  /** Nanoseconds since 1970. */
  readonly since: bigint;
}

/** A GPU as a consumer sees it. */
export interface VisibleGpu {
  readonly name: string;
  readonly uuid: string;
  readonly version: number;
  readonly action: string;
  readonly conditions: readonly VisibleCondition[];
}

export interface VisibleEvent {
  readonly type: EventType;
  readonly version: number;
  readonly gpu: VisibleGpu;
}

/** Shorter forms of a command, the shortest first. */
export function simplerCommands(command: Command): readonly Command[] {
  switch (command.do) {
    case "pass":
      return command.ms > 1 ? [{ do: "pass", ms: 1 }] : [];
    case "leap":
      return [];
    case "write": {
      const { steps, heldMs, ...rest } = command;
      const fewer = steps.map((_, i) => ({ ...command, steps: steps.toSpliced(i, 1) }));
      const smaller = steps.flatMap((step, i) =>
        simplerSteps(step).map((other) => ({ ...command, steps: steps.with(i, other) })),
      );
      return [...(heldMs === undefined ? [] : [{ ...rest, steps }]), ...fewer, ...smaller];
    }
  }
}

function simplerSteps(step: Step): readonly Step[] {
  if (step.do !== "register" && step.do !== "status") return [];
  const { status, ...rest } = step;
  const without: Step[] = rest.do === "register" && status !== undefined ? [rest] : [];
  const fewer = (status?.conditions ?? []).map((_, i) => ({
    ...step,
    status: { action: status?.action ?? "", conditions: status?.conditions.toSpliced(i, 1) ?? [] },
  }));
  return [...without, ...fewer];
}
