import { drainMicrotasks } from "bun:jsc";
import { expect, test } from "bun:test";
import { outcomeOf } from "../../testing/informer-harness.ts";
import { listOf, ScriptedSource, THING_ACCESS, thing } from "../../testing/scripted-source.ts";
import { SimulatedTime } from "../../testing/simulated-time.ts";
import { InformerFactory } from "./informer-factory.ts";

const OTHER_ACCESS = { ...THING_ACCESS, kind: "Other", typeName: "test.Other" };

function createHarness() {
  const time = new SimulatedTime();
  const factory = new InformerFactory({ resyncMs: 5_000 }, { clock: time, scheduler: time, random: () => 0.5 });
  return { time, factory, things: new ScriptedSource(), others: new ScriptedSource() };
}

test("whoever asks for a kind gets the one informer of that kind", () => {
  const { factory, things, others } = createHarness();
  const informer = factory.informerFor(THING_ACCESS, things);
  expect(factory.informerFor(THING_ACCESS, things)).toBe(informer);
  expect(factory.informerFor(OTHER_ACCESS, others)).not.toBe(informer);
});

test("start starts those that were asked for, and a second start those that came since", () => {
  const { factory, things, others } = createHarness();
  factory.informerFor(THING_ACCESS, things);
  factory.start();
  factory.informerFor(OTHER_ACCESS, others);
  expect([things.lists.length, others.lists.length]).toEqual([1, 0]);
  factory.start();
  expect([things.lists.length, others.lists.length]).toEqual([1, 1]);
});

test("waitForSync waits for all, and says so where one was not started", async () => {
  const { factory, things, others } = createHarness();
  factory.informerFor(THING_ACCESS, things);
  factory.start();
  factory.informerFor(OTHER_ACCESS, others);
  expect(await outcomeOf(factory.waitForSync())).toBe(
    "FAILED_PRECONDITION: the informer of test.Other was not started: call start() first",
  );
  factory.start();
  const outcome = outcomeOf(factory.waitForSync());
  let settled = false;
  void outcome.then(() => {
    settled = true;
  });
  things.lists[0]?.answer(listOf(5, thing("a", 1)));
  drainMicrotasks();
  expect(settled).toBe(false);
  others.lists[0]?.answer(listOf(6));
  expect(await outcome).toBe("resolved");
  await factory.stop();
});

test("the options hold for every informer", async () => {
  const { time, factory, things } = createHarness();
  time.afterTask = drainMicrotasks;
  const told: string[] = [];
  factory.informerFor(THING_ACCESS, things).addEventHandler({ onUpdate: (_, { name }) => told.push(name) });
  factory.start();
  things.lists[0]?.answer(listOf(5, thing("a", 1)));
  drainMicrotasks();
  time.advance(10_000);
  expect(told).toEqual(["a", "a"]);
  await factory.stop();
});

test("stop stops all for good, and leaves nothing behind", async () => {
  const { time, factory, things, others } = createHarness();
  const informers = [factory.informerFor(THING_ACCESS, things), factory.informerFor(OTHER_ACCESS, others)];
  for (const informer of informers) informer.addEventHandler({});
  factory.start();
  const synced = outcomeOf(factory.waitForSync());
  await factory[Symbol.asyncDispose]();
  expect(await synced).toBe("CANCELLED: the informer was stopped before it had synced");
  expect([time.pending, ...informers.map(({ isStopped }) => isStopped)]).toEqual([0, true, true]);
  expect(() => factory.start()).toThrow("a factory that was stopped cannot be started again");
  expect(() => factory.informerFor({ ...THING_ACCESS, typeName: "test.Third" }, things)).toThrow(
    "a factory that was stopped makes no informers",
  );
});
