import { drainMicrotasks } from "bun:jsc";
import { describe, expect, spyOn, test } from "bun:test";
import { createInformerHarness, outcomeOf, Recorder, thrownBy } from "../../testing/informer-harness.ts";
import { listOf, ScriptedSource, THING_ACCESS, type Thing, thing } from "../../testing/scripted-source.ts";
import { SimulatedTime } from "../../testing/simulated-time.ts";
import { ApiError, connectionClosed } from "../errors.ts";
import { createSharedInformer } from "./shared-informer.ts";

describe("a resync", () => {
  test("tells those who asked for it what is there, each in their own period", () => {
    const { time, informer, list } = createInformerHarness({ resyncMs: 10_000 });
    const [usual, often, never] = [new Recorder(), new Recorder(), new Recorder()];
    informer.addEventHandler(usual);
    informer.addEventHandler(often, { resyncMs: 4_000 });
    informer.start();
    list(listOf(9, thing("a", 5)));
    informer.addEventHandler(never, { resyncMs: 0 });
    time.advance(20_000);
    const counts = [usual, often, never].map(({ told }) => told.filter((line) => line === "a@5->5").length);
    expect(counts).toEqual([2, 5, 0]);
  });

  test("of a period that no timer can keep, or that is too short, is refused", () => {
    const { informer } = createInformerHarness();
    for (const resyncMs of [-1, 999, 2 ** 31, Number.NaN]) {
      expect(thrownBy(() => informer.addEventHandler({}, { resyncMs }))).toBe(
        `INVALID_ARGUMENT: resyncMs is ${resyncMs}: it must be 0 for none, or 1000 to 2073600000`,
      );
    }
    expect(thrownBy(() => createInformerHarness({ resyncMs: 1 }))).toStartWith("INVALID_ARGUMENT: resyncMs is 1");
  });
});

describe("syncing", () => {
  test("is over for the informer with the first list, for a handler when it has been told of that", async () => {
    const { time, informer, list } = createInformerHarness();
    const slow = new Recorder(() => new Promise<void>((resolve) => time.setTimer(resolve, 1_000)));
    const registration = informer.addEventHandler(slow);
    informer.start();
    const order: string[] = [];
    const waits = [
      informer.waitForSync().then(() => order.push("informer")),
      registration.waitForSync().then(() => order.push("handler")),
    ];
    expect([informer.hasSynced, informer.lastSyncResourceVersion]).toEqual([false, ""]);
    list(listOf(9, thing("a", 5), thing("b", 6)));
    expect([informer.hasSynced, informer.lastSyncResourceVersion]).toEqual([true, "9"]);
    time.advance(1_999);
    expect([order, registration.hasSynced]).toEqual([["informer"], false]);
    time.advance(1);
    await Promise.all(waits);
    expect(order).toEqual(["informer", "handler"]);
  });

  test("takes no calls where there is nothing", () => {
    const { informer, list } = createInformerHarness();
    const registration = informer.addEventHandler(new Recorder());
    informer.start();
    list(listOf(9));
    expect([informer.hasSynced, registration.hasSynced]).toEqual([true, true]);
  });

  test("is waited for no longer than the signal says, or the informer lives", async () => {
    const { informer } = createInformerHarness();
    informer.start();
    const patient = outcomeOf(informer.waitForSync());
    expect(await outcomeOf(informer.waitForSync(AbortSignal.abort("too late")))).toBe("too late");
    await informer.stop();
    expect(await patient).toBe("CANCELLED: the informer was stopped before it had synced");
  });
});

describe("the cache", () => {
  test("has indexes that may be added at any time", () => {
    const { informer, list } = createInformerHarness();
    informer.addIndexers({ first: ({ name }) => [name.slice(0, 1)] });
    informer.start();
    list(listOf(9, thing("gpu-0", 5), thing("gpu-1", 6), thing("nic-0", 7)));
    informer.addIndexers({ last: ({ name }) => [name.slice(-1)] });
    const names = (things: readonly Thing[]) => things.map(({ name }) => name);
    expect(names(informer.lister.byIndex("first", "g"))).toEqual(["gpu-0", "gpu-1"]);
    expect(names(informer.lister.byIndex("last", "0"))).toEqual(["gpu-0", "nic-0"]);
  });

  test("holds what the transform makes; where that throws, the object as it came", () => {
    const { faults, informer, list, event } = createInformerHarness();
    const recorder = new Recorder();
    informer.addEventHandler(recorder);
    informer.setTransform((object) => {
      if (object.resourceVersion === "7") throw new Error("no seven");
      return { ...object, name: `${object.name}!` };
    });
    informer.start();
    list(listOf(6, thing("a", 5)));
    event("MODIFIED", "a", 7);
    event("DELETED", "a", 8);
    expect(recorder.told).toEqual(["+a!@5 initial", "a@5->7", "-a!@8"]);
    expect(faults).toEqual([{ kind: "Thing", during: "transform", key: "a", error: new Error("no seven") }]);
    expect(thrownBy(() => informer.setTransform((object) => object))).toStartWith("FAILED_PRECONDITION: ");
  });

  test("reports an index function that throws, and goes on", () => {
    const { faults, informer, list } = createInformerHarness();
    informer.addIndexers({
      bad() {
        throw new Error("no index");
      },
    });
    informer.start();
    list(listOf(6, thing("a", 5)));
    expect(informer.lister.get("A")).toEqual(thing("a", 5));
    expect(faults).toEqual([{ kind: "Thing", during: "index", key: "a", error: new Error("no index") }]);
  });
});

describe("stopping", () => {
  test("closes the watch and leaves no timer; the last state can still be read", async () => {
    const { time, source, informer, list } = createInformerHarness({ resyncMs: 5_000 });
    informer.addEventHandler(new Recorder());
    informer.start();
    informer.start();
    list(listOf(9, thing("a", 5)));
    await informer.stop();
    await informer.stop();
    expect([source.calls, source.watches[0]?.closed, time.pending]).toEqual([["list", "watch 9"], true, 0]);
    expect([informer.isStopped, informer.lister.size]).toEqual([true, 1]);
  });

  test("is for good", async () => {
    const { informer } = createInformerHarness();
    await informer[Symbol.asyncDispose]();
    expect(thrownBy(() => informer.start())).toBe(
      "FAILED_PRECONDITION: an informer that was stopped cannot be started again",
    );
    expect(thrownBy(() => informer.addEventHandler({}))).toBe(
      "FAILED_PRECONDITION: an informer that was stopped takes no handlers",
    );
  });

  test("may be asked for from within a handler", () => {
    const { informer, list } = createInformerHarness();
    let stopped = false;
    const recorder = new Recorder(async () => {
      await informer.stop();
      stopped = true;
    });
    informer.addEventHandler(recorder);
    informer.start();
    list(listOf(9, thing("a", 5), thing("b", 6)));
    expect([recorder.told, stopped]).toEqual([["+a@5 initial"], true]);
  });

  test("happens by itself when this side closes the connection", async () => {
    const told: unknown[] = [];
    const { source, informer } = createInformerHarness({ onWatchError: (fault) => told.push(fault) });
    informer.start();
    const synced = outcomeOf(informer.waitForSync());
    const error = connectionClosed("test.Things/List");
    source.lists[0]?.fail(error);
    expect(await synced).toStartWith("CANCELLED: the informer was stopped");
    expect([informer.isStopped, source.calls]).toEqual([true, ["list"]]);
    expect(told).toEqual([{ kind: "Thing", during: "list", error, retryInMs: undefined }]);
  });
});

test("nothing holds a handler that was removed", async () => {
  const { informer, list } = createInformerHarness({ resyncMs: 5_000 });
  informer.start();
  list(listOf(9, thing("a", 5)));
  const held = Array.from({ length: 1_000 }, () => {
    const recorder = new Recorder();
    using _ = informer.addEventHandler(recorder);
    return new WeakRef(recorder);
  });
  const left = () => held.filter((reference) => reference.deref() !== undefined).length;
  // What the stack still has by chance goes with it.
  await Bun.sleep(0);
  Bun.gc(true);
  expect(left()).toBeLessThan(100);
  expect(informer.isStopped).toBe(false);
});

describe("where nobody asks for faults", () => {
  test("a line on the console's stderr says what failed, and nothing where a version has expired", () => {
    const time = new SimulatedTime();
    time.afterTask = drainMicrotasks;
    const source = new ScriptedSource();
    const lines: string[] = [];
    const console = spyOn(globalThis.console, "error").mockImplementation((...words) => {
      lines.push(words.join(" "));
    });
    try {
      const runtime = { clock: time, scheduler: time, random: () => 0.5 };
      const informer = createSharedInformer(source, THING_ACCESS, {}, runtime);
      informer.addEventHandler(
        new Recorder(() => {
          throw new Error("thrown");
        }),
      );
      informer.start();
      source.lists[0]?.fail(new ApiError("UNAVAILABLE", "no such file"));
      drainMicrotasks();
      time.advance(400);
      source.lists[1]?.answer(listOf(9, thing("a", 5)));
      drainMicrotasks();
      source.watches[0]?.fail(new ApiError("OUT_OF_RANGE", "expired"));
      drainMicrotasks();
      void informer.stop();
    } finally {
      console.mockRestore();
    }
    expect(lines).toEqual([
      "device-api-client: list of Thing failed, next try in 0.4 s: ApiError: UNAVAILABLE: no such file",
      "device-api-client: onAdd failed for Thing a: Error: thrown",
    ]);
  });

  test("hooks that throw or reject themselves are not heard of", async () => {
    const unhandled: unknown[] = [];
    const listener = (error: unknown) => unhandled.push(error);
    process.on("unhandledRejection", listener);
    let calls = 0;
    const { informer, list, event } = createInformerHarness({
      onCallbackError() {
        calls++;
        if (calls === 1) throw new Error("a hook throws");
        return Promise.reject(new Error("a hook rejects"));
      },
    });
    const failing = new Recorder(() => Promise.reject(new Error("rejected")));
    informer.addEventHandler(failing);
    informer.start();
    list(listOf(9, thing("a", 5)));
    event("MODIFIED", "a", 10);
    event("DELETED", "a", 11);
    await informer.stop();
    await new Promise((resolve) => setTimeout(resolve, 10));
    process.off("unhandledRejection", listener);
    expect([calls, failing.told.length, unhandled]).toEqual([3, 3, []]);
  });
});
