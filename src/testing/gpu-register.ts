import type { Specification } from "./linearisability.ts";

/** "STATUS REASON" by type. */
export type Conditions = Readonly<Record<string, string>>;

export interface SeenGpu {
  readonly version: number;
  readonly conditions: Conditions;
}

/** A call of one provider about one GPU, with its answer; `version` undefined stands for NOT_FOUND. */
export type GpuCall =
  | { do: "register"; conditions: Conditions; created: boolean; version: number }
  | { do: "unregister"; deleted: boolean }
  | { do: "status"; conditions: Conditions; version: number | undefined }
  | { do: "condition"; type: string; says: string; version: number | undefined }
  | { do: "read"; gpu: SeenGpu | undefined };

export interface GpuState {
  /** Of the last change; of a GPU that is gone, the least that its deletion can have had. */
  readonly version: number;
  /** Without Ready; undefined while there is no such GPU. */
  readonly conditions: Conditions | undefined;
}

/** What the contract says of one GPU for one provider, of types that are of positive polarity and count. */
export const GPU_REGISTER: Specification<GpuState, GpuCall> = {
  initial: { version: 0, conditions: undefined },
  step(state, call) {
    const { conditions } = state;
    switch (call.do) {
      case "register": {
        if (call.created !== (conditions === undefined)) return undefined;
        const says = conditions === undefined || isEmpty(conditions) ? call.conditions : conditions;
        return written(state, says, call.version);
      }
      case "unregister":
        if (call.deleted !== (conditions !== undefined)) return undefined;
        return call.deleted ? { version: state.version + 1, conditions: undefined } : state;
      case "status":
        return updated(state, call.version, () => call.conditions);
      case "condition":
        return updated(state, call.version, (before) => ({ ...before, [call.type]: call.says }));
      case "read": {
        const { gpu } = call;
        if (gpu === undefined || conditions === undefined) return gpu === conditions ? state : undefined;
        return gpu.version === state.version && textOf(gpu.conditions) === textOf(shown(conditions))
          ? state
          : undefined;
      }
    }
  },
  textOf: ({ version, conditions }) => `${version} ${conditions === undefined ? "none" : textOf(conditions)}`,
};

function updated(state: GpuState, version: number | undefined, change: (before: Conditions) => Conditions) {
  if (state.conditions === undefined || version === undefined) return state.conditions === version ? state : undefined;
  return written(state, change(state.conditions), version);
}

/** A write that changes something has a higher version, one that changes nothing the present one. */
function written(state: GpuState, conditions: Conditions, version: number): GpuState | undefined {
  const isSame = state.conditions !== undefined && textOf(state.conditions) === textOf(conditions);
  return (isSame ? version === state.version : version > state.version) ? { version, conditions } : undefined;
}

/** As consumers see them: with the server's verdict, without its reason. */
export function shown(conditions: Conditions): Conditions {
  if (isEmpty(conditions)) return conditions;
  const statuses = Object.values(conditions).map((says) => says.split(" ")[0]);
  const verdict = ["False", "Unknown"].find((status) => statuses.includes(status)) ?? "True";
  return { ...conditions, Ready: verdict };
}

function isEmpty(conditions: Conditions): boolean {
  return Object.keys(conditions).length === 0;
}

export function textOf(conditions: Conditions): string {
  return Object.entries(conditions)
    .map(([type, says]) => `${type}=${says}`)
    .sort()
    .join(", ");
}
