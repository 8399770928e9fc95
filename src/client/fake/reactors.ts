import type { Message } from "@bufbuild/protobuf";
import type { ApiError } from "../errors.ts";
import type { ResourceList, WatchEvent } from "../resource/types.ts";

/** A call that came to the fake. */
export interface Action {
  /** "get", "list" or "watch"; for other services the method in lower camel case, such as "updateGpuStatus". */
  readonly verb: string;
  /** The plural ("gpus"); for other services the service ("ProviderService"). */
  readonly resource: string;
  /** The object that the call names; empty where it names none. */
  readonly name: string;
  /** As it came. */
  readonly request: Message;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a reactor may answer a verb with. */
export interface Results {
  /** The object. */
  readonly get: Message;
  readonly list: ResourceList<Message>;
  /** The events; the watch ends when they do. */
  readonly watch: AsyncIterable<WatchEvent<Message>>;
}

/** For another method the reply's message; for "*", which may be any verb, there is no result. */
export type ResultOf<V extends string> = V extends keyof Results ? Results[V] : V extends "*" ? never : Message;

/** What comes of a call. */
export type Reaction<R> =
  /** The reactor that was there before is asked, and last the fake itself. */
  | { readonly handled: false }
  | { readonly handled: true; readonly result: R }
  | { readonly handled: true; readonly error: ApiError };

/** May take its time: the call waits, as long as its caller does. */
export type Reactor<R> = (action: Action) => Reaction<R> | Promise<Reaction<R>>;

export const NOT_HANDLED: Reaction<never> = { handled: false };

interface Entry {
  readonly verb: string;
  readonly resource: string;
  readonly react: Reactor<unknown>;
}

/** The reactors of a fake, and the calls that came. */
export class ReactionChain {
  #entries: readonly Entry[] = [];
  readonly #actions: Action[] = [];

  get actions(): readonly Action[] {
    return [...this.#actions];
  }

  clearActions(): void {
    this.#actions.length = 0;
  }

  /** Asked before all that are there. "*" stands for every verb, or every resource. */
  prepend<V extends string>(verb: V, resource: string, react: Reactor<ResultOf<V>>): Disposable {
    const entry: Entry = { verb, resource, react };
    this.#entries = [entry, ...this.#entries];
    return {
      [Symbol.dispose]: () => {
        this.#entries = this.#entries.filter((other) => other !== entry);
      },
    };
  }

  /**
   * Records the call and asks the reactors. Returns the result of the one that handled it, undefined where none did;
   * throws its error.
   */
  async react(action: Action): Promise<{ readonly result: unknown } | undefined> {
    this.#actions.push(action);
    for (const { verb, resource, react } of this.#entries) {
      if (!matches(verb, action.verb) || !matches(resource, action.resource)) continue;
      const reaction = await react(action);
      if (!reaction.handled) continue;
      if ("error" in reaction) throw reaction.error;
      return { result: reaction.result };
    }
    return undefined;
  }
}

function matches(wanted: string, found: string): boolean {
  return wanted === "*" || wanted === found;
}
