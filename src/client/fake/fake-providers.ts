import { create } from "@bufbuild/protobuf";
import type { Clock } from "../../base/clock.ts";
import { type Condition, type Gpu, type GpuStatus, GpuStatusSchema } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { gpus } from "../device/v1alpha1/gpu.gen.ts";
import { ApiError } from "../errors.ts";
import { resourceKey } from "../resource/types.ts";
import {
  conditionCount,
  type GpuFacts,
  type Moment,
  withCondition,
  withLostProvider,
  withRegistration,
  withStatus,
} from "./gpu-facts.ts";
import { timestampOf } from "./timestamps.ts";
import type { ObjectTracker, Tracker } from "./tracker.ts";
import { visibleStatus } from "./visible-status.ts";

/** Reports of all providers together. */
export const CONDITIONS_PER_GPU_MAX = 64;

/** Stands for the caller where a call names no provider; a fake knows one caller only. */
const CALLERS_OWN_ID = "fake";

/** The server's own ids. */
const RESERVED_IDS: readonly string[] = ["nvml-provider", "simulated", "operator"];

export interface RegisterInput {
  readonly name: string;
  readonly uuid: string;
  readonly provider: string;
  readonly initialStatus: GpuStatus | undefined;
}

/**
 * What the providers of a fake have registered and reported. It shows in the tracker's GPUs; one that the test changes
 * there by itself is from then on as the test left it, and reports start anew.
 */
export class FakeProviders {
  readonly #gpus: ObjectTracker<Gpu>;
  readonly #clock: Clock;
  /** By key; they hold as long as the GPU has the version that they led to. */
  readonly #known = new Map<string, { readonly facts: GpuFacts; readonly resourceVersion: string }>();
  /** Who has sent a heartbeat. */
  readonly #beating = new Set<string>();
  /** Whose lease ran out since the last heartbeat. */
  readonly #lost = new Set<string>();
  #writes = 0;

  constructor(tracker: Tracker, clock: Clock) {
    this.#gpus = tracker.of(gpus);
    this.#clock = clock;
  }

  register({ name, uuid, provider, initialStatus }: RegisterInput): { created: boolean; gpu: Gpu } {
    const before = this.#gpus.get(name);
    const facts = before === undefined ? NO_FACTS : this.#factsOf(before);
    const id = resolveId(provider, facts);
    const holder = this.#gpus.list().items.find((gpu) => isSameUuid(uuid, gpu.spec?.uuid ?? ""));
    if (holder !== undefined && keyOf(holder) !== resourceKey(name)) {
      throw new ApiError("ALREADY_EXISTS", `spec.uuid: ${uuid} is known as ${holder.metadata?.name}`);
    }
    const at = this.#moment();
    let next = withRegistration(facts, id);
    if (initialStatus !== undefined && !next.reports.has(id)) next = withStatus(next, id, initialStatus, at);
    const known = before?.spec?.uuid ?? "";
    const mayChange = next.registrations[0] === id && uuid !== "" && !isSameUuid(uuid, known);
    return { created: before === undefined, gpu: this.#write(name, mayChange ? uuid : known, next, before, at) };
  }

  /** All providers of a fake are of one caller, so the GPU goes. */
  unregister(name: string): { deleted: boolean } {
    this.#known.delete(resourceKey(name));
    return { deleted: this.#gpus.delete(name) !== undefined };
  }

  updateStatus(name: string, provider: string, status: GpuStatus): Gpu {
    return this.#update(name, provider, (facts, id, at) => withStatus(facts, id, status, at));
  }

  updateCondition(name: string, provider: string, condition: Condition): Gpu {
    return this.#update(name, provider, (facts, id, at) => withCondition(facts, id, condition, at));
  }

  heartbeat(provider: string): { acknowledged: boolean } {
    refuseReserved(provider);
    this.#beating.add(provider);
    return { acknowledged: !this.#lost.delete(provider) };
  }

  /**
   * As if the provider had been silent for longer than its lease: its good conditions turn Unknown, and its next
   * heartbeat is not acknowledged. One that has never sent a heartbeat has no lease to lose.
   */
  expireLease(provider: string): void {
    if (!this.#beating.has(provider)) return;
    this.#lost.add(provider);
    const at = this.#moment();
    for (const gpu of this.#gpus.list().items) {
      const facts = this.#factsOf(gpu);
      if (!facts.reports.has(provider)) continue;
      this.#write(gpu.metadata?.name ?? "", gpu.spec?.uuid ?? "", withLostProvider(facts, provider, at), gpu, at);
    }
  }

  #update(name: string, provider: string, change: (facts: GpuFacts, id: string, at: Moment) => GpuFacts): Gpu {
    const before = this.#gpus.get(name);
    if (before === undefined) throw new ApiError("NOT_FOUND", `no GPU is named ${JSON.stringify(name)}`);
    const facts = this.#factsOf(before);
    const at = this.#moment();
    return this.#write(name, before.spec?.uuid ?? "", change(facts, resolveId(provider, facts), at), before, at);
  }

  #factsOf(gpu: Gpu): GpuFacts {
    const known = this.#known.get(keyOf(gpu));
    if (known?.resourceVersion === gpu.metadata?.resourceVersion && known !== undefined) return known.facts;
    return { ...NO_FACTS, seeded: gpu.status };
  }

  #write(name: string, uuid: string, facts: GpuFacts, before: Gpu | undefined, at: Moment): Gpu {
    const count = conditionCount(facts);
    if (count > CONDITIONS_PER_GPU_MAX) {
      const problem = `${name} would have ${count} conditions of all providers, the limit is`;
      throw new ApiError("RESOURCE_EXHAUSTED", `conditions: ${problem} ${CONDITIONS_PER_GPU_MAX} per GPU`);
    }
    const status = visibleStatus(facts, before?.status?.conditions ?? [], at);
    // What the test left out stays out, where nothing is said of it.
    const isAsBefore = before !== undefined && uuid === (before.spec?.uuid ?? "");
    const spec = isAsBefore ? before.spec : { uuid };
    const gpu = this.#gpus.apply({ metadata: { name }, ...(spec && { spec }), ...(status && { status }) });
    this.#known.set(keyOf(gpu), { facts, resourceVersion: gpu.metadata?.resourceVersion ?? "" });
    return gpu;
  }

  #moment(): Moment {
    this.#writes++;
    return { write: this.#writes, now: timestampOf(this.#clock.wallUs()) };
  }
}

const NO_FACTS: GpuFacts = { seeded: create(GpuStatusSchema), registrations: [], reports: new Map() };

const keyOf = (gpu: Gpu): string => resourceKey(gpu.metadata?.name ?? "");

const isSameUuid = (a: string, b: string): boolean => a !== "" && a.toLowerCase() === b.toLowerCase();

/** As claimed, else of the first registration, else the caller's own. */
function resolveId(claimed: string, facts: GpuFacts): string {
  refuseReserved(claimed);
  return claimed || (facts.registrations[0] ?? CALLERS_OWN_ID);
}

function refuseReserved(id: string): void {
  if (!RESERVED_IDS.includes(id)) return;
  throw new ApiError("PERMISSION_DENIED", `provider_id ${JSON.stringify(id)} is the server's own; choose another one`);
}
