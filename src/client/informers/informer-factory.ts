import { ApiError } from "../errors.ts";
import type { ListerWatcher } from "../resource/types.ts";
import { processSystem } from "../system.ts";
import type { ObjectAccess } from "./object-cache.ts";
import type { ReflectorRuntime } from "./reflector.ts";
import { createSharedInformer, type InformerOptions, type SharedInformer } from "./shared-informer.ts";

/** What tells one kind from another; every ResourceDefinition fits. */
export interface InformedResource<T> extends ObjectAccess<T> {
  /** "nvidia.device.v1alpha1.Gpu" */
  readonly typeName: string;
}

/** An informer without the type of its objects. */
type AnyInformer = Pick<SharedInformer<unknown>, "start" | "stop" | "waitForSync">;

/** One informer for each kind, however many ask for it; all of them are started and stopped together. */
export class InformerFactory implements AsyncDisposable {
  readonly #options: InformerOptions;
  readonly #runtime: ReflectorRuntime;
  readonly #informers = new Map<string, { readonly informer: AnyInformer; started: boolean }>();
  #stopped = false;

  /** The options hold for every informer. */
  constructor(options: InformerOptions = {}, runtime: ReflectorRuntime = processSystem) {
    this.#options = options;
    this.#runtime = runtime;
  }

  /**
   * The informer of that kind. The first call makes it, and what it is made from counts: `source` must be of one
   * server for all calls. Throws FAILED_PRECONDITION after the stop.
   */
  informerFor<T>(resource: InformedResource<T>, source: ListerWatcher<T>): SharedInformer<T> {
    const known = this.#informers.get(resource.typeName);
    // Made below, from a resource of the same type name, which stands for the type.
    if (known !== undefined) return known.informer as SharedInformer<T>;
    if (this.#stopped) throw new ApiError("FAILED_PRECONDITION", "a factory that was stopped makes no informers");
    const informer = createSharedInformer(source, resource, this.#options, this.#runtime);
    this.#informers.set(resource.typeName, { informer, started: false });
    return informer;
  }

  /** Starts every informer that was asked for and not started. Throws FAILED_PRECONDITION after the stop. */
  start(): void {
    if (this.#stopped) throw new ApiError("FAILED_PRECONDITION", "a factory that was stopped cannot be started again");
    for (const member of this.#informers.values()) {
      if (!member.started) member.informer.start();
      member.started = true;
    }
  }

  /**
   * Waits for the caches of all informers that were asked for. Rejects as SharedInformer.waitForSync does, and with
   * FAILED_PRECONDITION where one of them was not started: it would never sync.
   */
  async waitForSync(signal?: AbortSignal): Promise<void> {
    for (const [typeName, { started }] of this.#informers) {
      if (started) continue;
      throw new ApiError("FAILED_PRECONDITION", `the informer of ${typeName} was not started: call start() first`);
    }
    await Promise.all([...this.#informers.values()].map(({ informer }) => informer.waitForSync(signal)));
  }

  /** Stops all of them; a second time does nothing more. Resolves as SharedInformer.stop does. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#informers.values()].map(({ informer }) => informer.stop()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
