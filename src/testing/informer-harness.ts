import { drainMicrotasks } from "bun:jsc";
import { ApiError } from "../client/errors.ts";
import type { ResourceEventHandler } from "../client/informers/event-handler.ts";
import type { CallbackFault } from "../client/informers/faults.ts";
import { createSharedInformer, type InformerOptions } from "../client/informers/shared-informer.ts";
import { DeletedFinalStateUnknown } from "../client/informers/tombstone.ts";
import type { EventType, ResourceList } from "../client/resource/types.ts";
import { ScriptedSource, THING_ACCESS, type Thing, thing } from "./scripted-source.ts";
import { SimulatedTime } from "./simulated-time.ts";

/** An informer in simulated time, whose source and clock the test plays. */
export function createInformerHarness(options: InformerOptions = {}) {
  const time = new SimulatedTime();
  time.afterTask = drainMicrotasks;
  const source = new ScriptedSource();
  const faults: CallbackFault[] = [];
  const hooks = { onCallbackError: (fault: CallbackFault) => faults.push(fault), onWatchError: () => {} };
  const runtime = { clock: time, scheduler: time, random: () => 0.5 };
  const informer = createSharedInformer(source, THING_ACCESS, { ...hooks, ...options }, runtime);
  return {
    time,
    source,
    faults,
    informer,
    /** Answers the latest list. */
    list(list: ResourceList<Thing>) {
      source.lists.at(-1)?.answer(list);
      drainMicrotasks();
    },
    event(type: EventType, name: string, version: number) {
      source.watches.at(-1)?.send(type, thing(name, version));
      drainMicrotasks();
    },
    relist(list: ResourceList<Thing>) {
      time.advance(1_000);
      source.watches.at(-1)?.fail(new ApiError("OUT_OF_RANGE", "expired"));
      drainMicrotasks();
      source.lists.at(-1)?.answer(list);
      drainMicrotasks();
    },
  };
}

/** Writes down what it is told, and then does what it is given to do. */
export class Recorder implements ResourceEventHandler<Thing> {
  readonly told: string[] = [];
  readonly #then: () => unknown;

  constructor(then: () => unknown = () => {}) {
    this.#then = then;
  }

  onAdd({ name, resourceVersion }: Thing, isInInitialList: boolean): unknown {
    this.told.push(`+${name}@${resourceVersion}${isInInitialList ? " initial" : ""}`);
    return this.#then();
  }

  onUpdate(old: Thing, { name, resourceVersion }: Thing): unknown {
    this.told.push(`${name}@${old.resourceVersion}->${resourceVersion}`);
    return this.#then();
  }

  onDelete(deleted: Thing | DeletedFinalStateUnknown<Thing>): unknown {
    const isTombstone = deleted instanceof DeletedFinalStateUnknown;
    const { name, resourceVersion } = isTombstone ? deleted.object : deleted;
    this.told.push(`-${name}@${resourceVersion}${isTombstone ? " unseen" : ""}`);
    return this.#then();
  }
}

/** How a promise ends, in words. */
export const outcomeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "resolved",
    (error: unknown) => (error instanceof ApiError ? `${error.code}: ${error.details}` : String(error)),
  );

/** How a call ends, in words. */
export function thrownBy(task: () => unknown): string {
  try {
    task();
  } catch (error) {
    return error instanceof ApiError ? `${error.code}: ${error.details}` : String(error);
  }
  return "nothing was thrown";
}
