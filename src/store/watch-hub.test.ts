import { describe, expect, test } from "bun:test";
import { UNBOUNDED } from "../base/cancel-scope.ts";
import { codeOf, condition, peer, RecordingSink, TestStore } from "../testing/test-store.ts";
import { WATCHERS_MAX } from "./limits.ts";

const WRITER = peer(1, "p");

/** A store with these GPUs whose conditions flip at each `flip`. */
class FlipStore extends TestStore {
  #flips = 0;

  constructor(gpus: number, events = 1_000) {
    super({ history: { events, bytes: 1_000_000 } });
    for (let i = 0; i < gpus; i++) this.register(WRITER, `gpu-${i}`);
  }

  /** One event. */
  flip(name = "gpu-0"): number {
    return this.reportOne(WRITER, name, condition("A", this.#flips++ % 2 === 0 ? "False" : "True"));
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe("a watch", () => {
  test("shows each GPU once in list order, and then every later change once, in the order of versions", () => {
    using store = new FlipStore(11);
    const sink = new RecordingSink();
    using _watcher = store.watch(sink);
    expect(sink.lines).toEqual(range(0, 10).map((i) => `ADDED gpu-${i}`));
    const start = store.version;
    for (let i = 0; i < 20; i++) {
      store.flip(`gpu-${i % 3}`);
      if (i % 4 === 0) store.pass(0);
    }
    store.write((transaction) => transaction.unregister(WRITER, "gpu-5"));
    store.pass(0);
    expect(sink.versions.slice(11)).toEqual(range(start + 1, start + 21));
    expect(sink.lines.at(-1)).toBe("DELETED gpu-5");
  });

  test("that names a version goes on right after it, from every place of the history and from the present", () => {
    using store = new FlipStore(1, 5);
    for (let i = 0; i < 8; i++) store.flip();
    const { version } = store;
    for (let after = version - 5; after <= version; after++) {
      const sink = new RecordingSink();
      using _watcher = store.watch(sink, after);
      expect(sink.versions).toEqual(range(after + 1, version));
    }
    for (const after of [0, -1, version - 6, version + 1, Number.MAX_SAFE_INTEGER]) {
      expect(codeOf(() => store.watch(new RecordingSink(), after))).toBe("OUT_OF_RANGE");
    }
    const farthest = () => store.store.watch(UNBOUNDED, 2n ** 63n - 1n, new RecordingSink());
    expect(codeOf(farthest)).toBe("OUT_OF_RANGE");
    expect(store.store.stats().watchers).toBe(0);
  });

  test("of an empty store is silent until a GPU comes", () => {
    using store = new FlipStore(0);
    const sink = new RecordingSink();
    using _watcher = store.watch(sink);
    expect(sink.lines).toEqual([]);
    store.register(WRITER, "gpu-0");
    store.pass(0);
    expect(sink.lines).toEqual(["ADDED gpu-0"]);
  });

  test("shows a deletion with the last state and the version of the deletion", () => {
    using store = new FlipStore(1);
    store.flip();
    const sink = new RecordingSink();
    using _watcher = store.watch(sink, store.version);
    store.write((transaction) => transaction.unregister(WRITER, "gpu-0"));
    store.pass(0);
    const [event] = sink.events;
    expect([event?.type, Number(event?.object?.resourceVersion)]).toEqual(["DELETED", store.version]);
    expect(event?.object?.metadata?.resourceVersion).toBe(String(store.version));
    expect(event?.object?.status?.conditions.map(({ type }) => type)).toEqual(["Ready", "A"]);
  });

  test("is served after the writer's call, not within it", () => {
    using store = new FlipStore(1);
    const sink = new RecordingSink();
    using _watcher = store.watch(sink, store.version);
    store.flip();
    expect(sink.lines).toEqual([]);
    store.pass(0);
    expect(sink.lines).toEqual(["MODIFIED gpu-0"]);
  });

  test("gets nothing after it was closed, and leaves nothing behind", () => {
    using store = new FlipStore(1);
    const sink = new RecordingSink();
    store.watch(sink)[Symbol.dispose]();
    store.flip();
    store.pass(0);
    expect(sink.lines).toEqual(["ADDED gpu-0"]);
    expect([store.store.stats().watchers, store.time.pending]).toEqual([0, 0]);
  });
});

describe("a slow consumer", () => {
  test("gets no message more than it takes, and goes on where it stopped, within the snapshot too", () => {
    using store = new FlipStore(3);
    const sink = new RecordingSink(1);
    using watcher = store.watch(sink);
    const start = store.version;
    for (let i = 0; i < 4; i++) store.flip("gpu-2");
    store.pass(0);
    expect(sink.lines).toEqual(["ADDED gpu-0"]);
    for (let taken = 2; taken <= 7; taken++) {
      sink.room = 1;
      watcher.resume();
      expect(sink.events.length).toBe(taken);
    }
    expect(sink.lines.slice(0, 3)).toEqual(["ADDED gpu-0", "ADDED gpu-1", "ADDED gpu-2"]);
    expect(sink.versions.slice(3)).toEqual(range(start + 1, start + 4));
    sink.room = 2;
    watcher.resume();
    watcher.resume();
    store.flip();
    store.pass(0);
    expect(sink.versions.at(-1)).toBe(start + 5);
    expect(sink.events.length).toBe(8);
  });

  test("that the history has overtaken ends with OUT_OF_RANGE, and not one event earlier", () => {
    using store = new FlipStore(1, 5);
    const sink = new RecordingSink(1);
    using _watcher = store.watch(sink);
    for (let i = 0; i < 5; i++) store.flip();
    store.pass(0);
    expect(sink.ended).toBeUndefined();
    store.flip();
    store.pass(0);
    expect([sink.ended, sink.events.length, store.watchersExpired]).toEqual(["OUT_OF_RANGE", 1, 1]);
    expect(store.store.stats().watchers).toBe(0);
  });

  test("that resumes at the last moment misses nothing", () => {
    using store = new FlipStore(1, 5);
    const sink = new RecordingSink(1);
    using watcher = store.watch(sink);
    const start = store.version;
    for (let i = 0; i < 5; i++) store.flip();
    sink.room = 100;
    watcher.resume();
    store.flip();
    store.pass(0);
    expect(sink.versions.slice(1)).toEqual(range(start + 1, start + 6));
    expect(sink.ended).toBeUndefined();
  });

  test("that resumes too late ends with OUT_OF_RANGE without another message", () => {
    using store = new FlipStore(1, 5);
    const sink = new RecordingSink(1);
    using watcher = store.watch(sink);
    for (let i = 0; i < 6; i++) store.flip();
    sink.room = 100;
    watcher.resume();
    expect([sink.ended, sink.events.length]).toEqual(["OUT_OF_RANGE", 1]);
  });

  test("keeps nobody else waiting", () => {
    using store = new FlipStore(1, 5);
    const slow = new RecordingSink(1);
    const quick = new RecordingSink();
    using _slow = store.watch(slow);
    using _quick = store.watch(quick);
    const start = store.version;
    for (let i = 0; i < 100; i++) {
      store.flip();
      store.pass(0);
    }
    expect(quick.versions.slice(1)).toEqual(range(start + 1, start + 100));
    expect([slow.ended, quick.ended]).toEqual(["OUT_OF_RANGE", undefined]);
  });

  test("that takes part in a burst larger than the history ends, for no event may be left out", () => {
    using store = new FlipStore(1, 5);
    const sink = new RecordingSink();
    using _watcher = store.watch(sink, store.version);
    for (let i = 0; i < 6; i++) store.flip();
    store.pass(0);
    expect([sink.ended, sink.events.length]).toEqual(["OUT_OF_RANGE", 0]);
  });
});

describe("many watchers", () => {
  test("are limited: one too many is refused, and there is room again when one leaves", () => {
    using store = new FlipStore(0);
    const sink = new RecordingSink();
    const watchers = Array.from({ length: WATCHERS_MAX }, () => store.watch(sink));
    expect(codeOf(() => store.watch(sink))).toBe("RESOURCE_EXHAUSTED");
    watchers[7]?.[Symbol.dispose]();
    expect(codeOf(() => store.watch(sink))).toBe("OK");
  });

  test("are served in turns of 256, each event to each, and other work runs in between", () => {
    using store = new FlipStore(1);
    const sinks = Array.from({ length: 1_000 }, () => new RecordingSink());
    for (const sink of sinks) store.watch(sink, store.version);
    const start = store.version;
    store.flip();
    const served: number[] = [];
    const count = () => sinks.filter(({ events }) => events.length > 0).length;
    for (let turn = 0; turn < 4; turn++) store.time.setTimer(() => served.push(count()), 0);
    store.pass(0);
    expect(served[0]).toBe(256);
    expect(count()).toBe(1_000);
    for (const sink of sinks) expect(sink.versions).toEqual([start + 1]);
  });

  test("are all served though a new event comes in every turn", () => {
    using store = new FlipStore(1, 100);
    const sinks = Array.from({ length: 600 }, () => new RecordingSink());
    for (const sink of sinks) store.watch(sink, store.version);
    const start = store.version;
    const again = (left: number) => {
      store.flip();
      if (left > 1) store.time.defer(() => again(left - 1));
    };
    again(50);
    store.pass(0);
    for (const sink of sinks) expect(sink.versions).toEqual(range(start + 1, start + 50));
  });
});

describe("a sink that acts from within send", () => {
  test.each([1, 100])("may close its own watch, with room for %d messages", (room) => {
    using store = new FlipStore(3);
    const sink = new RecordingSink(room);
    const watcher = store.watch(sink, store.version);
    const send = sink.send.bind(sink);
    sink.send = (message) => {
      watcher[Symbol.dispose]();
      return send(message);
    };
    for (let i = 0; i < 3; i++) store.flip();
    store.pass(0);
    expect([sink.events.length, store.store.stats().watchers]).toEqual([1, 0]);
    store.flip();
    store.pass(0);
    expect(sink.events.length).toBe(1);
  });

  test("may close another's watch in the same turn", () => {
    using store = new FlipStore(1);
    const [first, second, third] = [new RecordingSink(), new RecordingSink(), new RecordingSink()];
    const { version } = store;
    const send = first.send.bind(first);
    store.watch(first, version);
    const watcher = store.watch(second, version);
    store.watch(third, version);
    first.send = (message) => {
      watcher[Symbol.dispose]();
      return send(message);
    };
    store.flip();
    store.pass(0);
    expect([first, second, third].map(({ events }) => events.length)).toEqual([1, 0, 1]);
  });

  test("may write to the store: all watchers see that change too, once and in order", () => {
    using store = new FlipStore(1);
    const [before, writing, after] = [new RecordingSink(), new RecordingSink(), new RecordingSink()];
    const start = store.version;
    for (const sink of [before, writing, after]) store.watch(sink, start);
    const send = writing.send.bind(writing);
    writing.send = (message) => {
      if (writing.events.length < 5) store.flip();
      return send(message);
    };
    store.flip();
    store.pass(0);
    for (const sink of [before, writing, after]) expect(sink.versions).toEqual(range(start + 1, start + 6));
  });

  test("may write while its snapshot is still shown to it", () => {
    using store = new FlipStore(3);
    const sink = new RecordingSink();
    const start = store.version;
    const send = sink.send.bind(sink);
    sink.send = (message) => {
      if (sink.events.length < 2) store.flip("gpu-2");
      return send(message);
    };
    using _watcher = store.watch(sink);
    expect(sink.lines.slice(0, 3)).toEqual(["ADDED gpu-0", "ADDED gpu-1", "ADDED gpu-2"]);
    expect(sink.versions[2]).toBeLessThanOrEqual(start);
    expect(sink.versions.slice(3)).toEqual([start + 1, start + 2]);
  });

  test("and throws loses its own watch with INTERNAL; all others are served, and the fault comes to light", () => {
    using store = new FlipStore(1);
    const [before, broken, after] = [new RecordingSink(), new RecordingSink(), new RecordingSink()];
    for (const sink of [before, broken, after]) store.watch(sink, store.version);
    broken.send = () => {
      throw new Error("broken sink");
    };
    store.flip();
    expect(() => store.pass(0)).toThrow("broken sink");
    store.pass(0);
    expect([before.events.length, after.events.length, broken.ended]).toEqual([1, 1, "INTERNAL"]);
    expect(store.store.stats().watchers).toBe(2);
  });
});
