import type {
  EventType,
  ListerWatcher,
  ListOptions,
  ResourceList,
  WatchEvent,
  WatchOptions,
} from "../client/resource/types.ts";
import { Mailbox } from "./informer-network.ts";

export interface Thing {
  readonly name: string;
  readonly resourceVersion: string;
}

export const THING_ACCESS = {
  kind: "Thing",
  typeName: "test.Thing",
  nameOf: ({ name }: Thing) => name,
  resourceVersionOf: ({ resourceVersion }: Thing) => resourceVersion,
};

export const thing = (name: string, version: number): Thing => ({ name, resourceVersion: String(version) });

export const listOf = (version: number, ...items: readonly Thing[]): ResourceList<Thing> => ({
  items,
  resourceVersion: String(version),
});

export interface ListCall {
  readonly options: ListOptions;
  answer(list: ResourceList<Thing>): void;
  fail(error: Error): void;
}

export interface WatchCall {
  readonly options: WatchOptions;
  send(type: EventType, object: Thing): void;
  end(): void;
  fail(error: Error): void;
  /** Whoever read it has left, or it has ended. */
  readonly closed: boolean;
}

/** A source whose every answer the test gives. */
export class ScriptedSource implements ListerWatcher<Thing> {
  readonly lists: ListCall[] = [];
  readonly watches: WatchCall[] = [];

  list(options: ListOptions = {}): Promise<ResourceList<Thing>> {
    return new Promise((answer, fail) => {
      options.signal?.addEventListener("abort", () => fail(new Error("aborted")));
      this.lists.push({ options, answer, fail });
    });
  }

  async *watch(options: WatchOptions = {}): AsyncGenerator<WatchEvent<Thing>> {
    const mailbox = new Mailbox<WatchEvent<Thing>>();
    const call = {
      options,
      closed: false,
      send: (type: EventType, object: Thing) => mailbox.put({ type, object }),
      end: () => mailbox.close(undefined),
      fail: (error: Error) => mailbox.close(error),
    };
    options.signal?.addEventListener("abort", () => mailbox.close(undefined, true));
    this.watches.push(call);
    try {
      yield* mailbox.read();
    } finally {
      call.closed = true;
    }
  }

  /** What was asked so far, in short: "list", or "watch" and the version. */
  get calls(): readonly string[] {
    return [...this.lists.map(() => "list"), ...this.watches.map(({ options }) => `watch ${options.resourceVersion}`)];
  }
}
