import type { Message } from "@bufbuild/protobuf";
import type { ResourceDefinition } from "../resource/types.ts";
import { type Handler, methodName } from "./handler.ts";
import { createHealthHandlers } from "./health-handlers.ts";
import { type Action, ReactionChain, type Reactor, type ResultOf } from "./reactors.ts";
import { createResourceHandlers } from "./resource-handlers.ts";
import { createTracker, type Tracker } from "./tracker.ts";

/** What stands behind a fake clientset and a fake server: objects, reactors, and what was called. */
export interface Fake {
  readonly tracker: Tracker;
  /** The calls so far, in the order in which they came; a watch counts when it opens. */
  readonly actions: readonly Action[];
  clearActions(): void;
  /**
   * Puts a reactor before all others. `verb` is "get", "list" or "watch" and `resource` the plural ("gpus"); for other
   * services they are the method in lower camel case and the service ("heartbeat", "ProviderService"); "*" stands for
   * any. Disposing takes the reactor away.
   *
   * ```ts
   * fake.prependReactor("list", "gpus", () => ({ handled: true, error: new ApiError("UNAVAILABLE", "not today") }));
   * ```
   */
  prependReactor<V extends string>(verb: V, resource: string, react: Reactor<ResultOf<V>>): Disposable;
  /** By `package.Service/Method`. */
  readonly handlers: ReadonlyMap<string, Handler>;
}

/** The methods of another service; they ask the reactors first, as those of the resources do. */
export type FakeService = (chain: ReactionChain) => readonly Handler[];

export interface FakeOptions {
  readonly resources: readonly ResourceDefinition<Message>[];
  /** Default: an empty one. */
  readonly tracker?: Tracker;
  /** Default: none but the health service; what is left is UNIMPLEMENTED. */
  readonly services?: readonly FakeService[];
}

/** Throws where an object is of none of the resources. */
export function createFake(options: FakeOptions, objects: readonly Message[] = []): Fake {
  const tracker = options.tracker ?? createTracker();
  const chain = new ReactionChain();
  const handlers = [
    ...options.resources.flatMap((definition) => createResourceHandlers(definition, tracker, chain)),
    ...(options.services ?? []).flatMap((service) => service(chain)),
    ...createHealthHandlers(),
  ];
  for (const object of objects) {
    const definition = options.resources.find(({ typeName }) => typeName === object.$typeName);
    if (definition === undefined) {
      const known = options.resources.map(({ typeName }) => typeName).join(", ");
      throw new TypeError(`a fake of ${known} cannot hold a ${object.$typeName}`);
    }
    tracker.of(definition).apply(object);
  }
  return {
    tracker,
    get actions() {
      return chain.actions;
    },
    clearActions: () => chain.clearActions(),
    prependReactor: (verb, resource, react) => chain.prepend(verb, resource, react),
    handlers: new Map(handlers.map((handler) => [methodName(handler.method), handler])),
  };
}
