import { drainMicrotasks } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { listOf, ScriptedSource, type Thing, thing } from "../../testing/scripted-source.ts";
import { SimulatedTime } from "../../testing/simulated-time.ts";
import { ApiError, type ErrorCode } from "../errors.ts";
import type { EventType, WatchEvent } from "../resource/types.ts";
import { Reflector, type ReflectorFault } from "./reflector.ts";

/** Waits are half of what they could be: 400 ms, 800, 1,600 … */
class Harness implements Disposable {
  readonly time = new SimulatedTime();
  readonly source = new ScriptedSource();
  readonly faults: ReflectorFault[] = [];
  readonly applied: WatchEvent<Thing>[] = [];
  /** What the sink was told with each event. */
  readonly openings: boolean[] = [];
  readonly #stop = new AbortController();
  ended = false;

  constructor() {
    this.time.afterTask = drainMicrotasks;
    let version = "";
    const sink = {
      replace: (list: { readonly resourceVersion: string }) => {
        version = list.resourceVersion;
      },
      apply: (event: WatchEvent<Thing>, opening: boolean) => {
        this.openings.push(opening);
        if (event.object.name === "held") return;
        if (event.object.name === "refused") throw new ApiError("OUT_OF_RANGE", "the watch went back");
        version = event.object.resourceVersion;
        this.applied.push(event);
      },
      holds: ({ name }: Thing) => name === "held",
      get resourceVersion() {
        return version;
      },
    };
    const { time, source } = this;
    const onFault = (fault: ReflectorFault) => this.faults.push(fault);
    const options = { kind: "Thing", source, sink, clock: time, scheduler: time, random: () => 0.5, onFault };
    void new Reflector<Thing>(options).run(this.#stop.signal).then(() => {
      this.ended = true;
    });
  }

  /** Ends the latest list, and lets the watch begin. */
  listed(version: number): void {
    this.source.lists.at(-1)?.answer(listOf(version));
    drainMicrotasks();
  }

  listFails(code: ErrorCode): void {
    this.source.lists.at(-1)?.fail(new ApiError(code, "no"));
    drainMicrotasks();
  }

  sends(name: string, version: number, type: EventType = "MODIFIED"): void {
    this.source.watches.at(-1)?.send(type, thing(name, version));
    drainMicrotasks();
  }

  watchFails(code: ErrorCode): void {
    this.source.watches.at(-1)?.fail(new ApiError(code, "no"));
    drainMicrotasks();
  }

  watchEnds(): void {
    this.source.watches.at(-1)?.end();
    drainMicrotasks();
  }

  /** The first watch has brought a change and was cut; the second goes on from there. */
  goOnFrom8(): void {
    this.listed(7);
    this.sends("a", 8);
    this.watchFails("UNAVAILABLE");
    this.time.advance(400);
  }

  stop(): void {
    this.#stop.abort();
    drainMicrotasks();
  }

  /** How many lists there were, and from where each watch went on. */
  get calls(): readonly [lists: number, ...watches: (string | undefined)[]] {
    return [this.source.lists.length, ...this.source.watches.map(({ options }) => options.resourceVersion)];
  }

  get told(): readonly string[] {
    return this.faults.map(({ during, error, retryInMs }) => {
      return `${during} ${error instanceof ApiError ? error.code : error} ${retryInMs}`;
    });
  }

  [Symbol.dispose](): void {
    this.stop();
    expect([this.ended, this.time.pending, this.source.watches.every(({ closed }) => closed)]).toEqual([true, 0, true]);
  }
}

describe("a reflector", () => {
  test("lists, and watches from the version of the list", () => {
    using harness = new Harness();
    expect(harness.calls).toEqual([1]);
    expect(harness.source.lists[0]?.options.timeoutMs).toBe(30_000);
    harness.listed(7);
    expect(harness.calls).toEqual([1, "7"]);
    harness.sends("a", 8);
    expect(harness.applied).toEqual([{ type: "MODIFIED", object: thing("a", 8) }]);
  });

  test("lists again after a wait that doubles, and says so, while lists fail", () => {
    using harness = new Harness();
    for (const waitMs of [400, 800, 1_600]) {
      harness.listFails("UNAVAILABLE");
      const { length } = harness.source.lists;
      harness.time.advance(waitMs - 1);
      expect(harness.source.lists.length).toBe(length);
      harness.time.advance(1);
      expect(harness.source.lists.length).toBe(length + 1);
    }
    expect(harness.told).toEqual(["list UNAVAILABLE 400", "list UNAVAILABLE 800", "list UNAVAILABLE 1600"]);
  });

  test.each(["UNAVAILABLE", "RESOURCE_EXHAUSTED"] as const)(
    "goes on after the last event when a watch ends with %s",
    (code) => {
      using harness = new Harness();
      harness.listed(7);
      harness.sends("a", 8);
      harness.watchFails(code);
      expect(harness.calls).toEqual([1, "7"]);
      harness.time.advance(400);
      expect(harness.calls).toEqual([1, "7", "8"]);
      expect(harness.told).toEqual([`watch ${code} 400`]);
    },
  );

  test.each(["INTERNAL", "UNKNOWN", "CANCELLED", "INVALID_ARGUMENT"] as const)(
    "lists again when a watch ends with %s",
    (code) => {
      using harness = new Harness();
      harness.listed(7);
      harness.watchFails(code);
      harness.time.advance(400);
      expect(harness.calls).toEqual([2, "7"]);
      expect(harness.told).toEqual([`watch ${code} 400`]);
    },
  );

  test("lists again at once when the version has expired while the watch was away", () => {
    using harness = new Harness();
    harness.goOnFrom8();
    harness.watchFails("OUT_OF_RANGE");
    expect(harness.calls).toEqual([2, "7", "8"]);
    harness.listed(20);
    expect(harness.calls).toEqual([2, "7", "8", "20"]);
    expect(harness.told).toEqual(["watch UNAVAILABLE 400", "watch OUT_OF_RANGE 0"]);
  });

  test("lists again at once when a watch that did its work has expired", () => {
    using harness = new Harness();
    harness.listed(7);
    harness.time.advance(1_000);
    harness.watchFails("OUT_OF_RANGE");
    expect(harness.calls).toEqual([2, "7"]);
  });

  test("waits where list after list has expired before it could be watched", () => {
    using harness = new Harness();
    harness.listed(7);
    harness.sends("a", 8);
    harness.watchFails("OUT_OF_RANGE");
    expect(harness.calls).toEqual([1, "7"]);
    harness.time.advance(400);
    expect(harness.calls).toEqual([2, "7"]);
  });

  test("lists again where an event is not to be believed", () => {
    using harness = new Harness();
    harness.listed(7);
    harness.time.advance(1_000);
    harness.sends("refused", 3);
    expect([harness.calls, harness.source.watches[0]?.closed]).toEqual([[2, "7"], true]);
    expect(harness.told).toEqual(["watch OUT_OF_RANGE 0"]);
  });

  test("goes on at once when a watch that brought something, or lived for a second, ends with OK", () => {
    using harness = new Harness();
    harness.listed(7);
    harness.sends("a", 8);
    harness.watchEnds();
    expect(harness.calls).toEqual([1, "7", "8"]);
    harness.time.advance(1_000);
    harness.watchEnds();
    expect(harness.calls).toEqual([1, "7", "8", "8"]);
    expect(harness.told).toEqual([]);
  });

  test.each([
    ["nothing", [2, "7"]],
    ["what is held", [1, "7", "7"]],
  ] as const)("waits before it goes on where a watch ends at once with %s", (what, calls) => {
    using harness = new Harness();
    harness.listed(7);
    if (what !== "nothing") harness.sends("held", 7);
    harness.watchEnds();
    expect(harness.calls).toEqual([1, "7"]);
    harness.time.advance(400);
    expect(harness.calls).toEqual(calls);
  });

  test("leaves a watch for a list where it was to go on and begins with what is there", () => {
    using harness = new Harness();
    harness.goOnFrom8();
    expect(harness.calls).toEqual([1, "7", "8"]);
    harness.sends("held", 9, "ADDED");
    expect([harness.calls, harness.source.watches[1]?.closed]).toEqual([[2, "7", "8"], true]);
    expect(harness.told).toEqual(["watch UNAVAILABLE 400", "watch OUT_OF_RANGE 0"]);
  });

  test.each(["UNAVAILABLE", "OK"] as const)(
    "goes on with a list after a watch that began with an object, which may have been there, and ended with %s",
    (end) => {
      using harness = new Harness();
      harness.listed(7);
      harness.sends("held", 7, "ADDED");
      harness.sends("a", 8, "MODIFIED");
      harness.time.advance(1_000);
      if (end === "OK") harness.watchEnds();
      else harness.watchFails(end);
      harness.time.advance(400);
      expect(harness.calls).toEqual([2, "7"]);
    },
  );

  test("goes on with a list after a watch from version 0, which had to begin with what is there", () => {
    using harness = new Harness();
    harness.listed(0);
    harness.sends("b", 3, "ADDED");
    harness.watchFails("UNAVAILABLE");
    harness.time.advance(400);
    expect(harness.calls).toEqual([2, "0"]);
  });

  test("waits before the next list where watches bring something, end at once and cannot be gone on from", () => {
    using harness = new Harness();
    for (let lists = 1; lists < 4; lists++) {
      harness.listed(7);
      harness.sends("a", 7 + lists, "ADDED");
      harness.watchEnds();
      expect(harness.source.lists.length).toBe(lists);
      harness.time.advance(200 * 2 ** lists);
      expect(harness.source.lists.length).toBe(lists + 1);
    }
  });

  test("lists at once, if once, where a watch that was gone on with ends and cannot be gone on from", () => {
    using harness = new Harness();
    harness.goOnFrom8();
    harness.sends("b", 9, "ADDED");
    harness.watchEnds();
    expect(harness.calls).toEqual([2, "7", "8"]);
  });

  test("says of what a watch begins with that it may have been there", () => {
    using harness = new Harness();
    harness.listed(7);
    for (const [version, type] of [
      [8, "ADDED"],
      [9, "ADDED"],
      [10, "MODIFIED"],
      [11, "ADDED"],
    ] as const) {
      harness.sends("a", version, type);
    }
    expect(harness.openings).toEqual([true, true, false, false]);
  });

  test("says of nothing that a watch goes on with that it may have been there", () => {
    using harness = new Harness();
    harness.goOnFrom8();
    harness.sends("b", 9, "ADDED");
    expect(harness.openings).toEqual([false, false]);
  });

  test("lists when a watch that never brought anything is to be renewed", () => {
    using harness = new Harness();
    harness.listed(7);
    harness.time.advance(450_000);
    expect([harness.calls, harness.source.watches[0]?.closed]).toEqual([[2, "7"], true]);
  });

  test("renews a watch after five minutes and a part of five more", () => {
    using harness = new Harness();
    harness.listed(7);
    harness.sends("a", 8);
    harness.time.advance(449_999);
    expect(harness.calls).toEqual([1, "7"]);
    harness.time.advance(1);
    expect([harness.calls, harness.source.watches[0]?.closed]).toEqual([[1, "7", "8"], true]);
    expect(harness.told).toEqual([]);
  });

  test.each(["list", "watch", "wait"])("ends when it is stopped in a %s, leaving nothing open", (where) => {
    using harness = new Harness();
    if (where !== "list") harness.listed(7);
    if (where === "wait") harness.watchFails("UNAVAILABLE");
    harness.stop();
    expect([harness.ended, harness.told.length]).toEqual([true, where === "wait" ? 1 : 0]);
  });

  test("takes no more events once it is stopped", () => {
    using harness = new Harness();
    harness.listed(7);
    harness.source.watches[0]?.send("MODIFIED", thing("a", 8));
    harness.stop();
    expect(harness.applied).toEqual([]);
  });
});
