import { describe, expect, test } from "bun:test";
import { createInformerHarness, outcomeOf, Recorder } from "../../testing/informer-harness.ts";
import { listOf, thing } from "../../testing/scripted-source.ts";
import { SimulatedTime } from "../../testing/simulated-time.ts";
import type { HandlerRegistration } from "./event-handler.ts";

describe("handlers", () => {
  test("are told what is there at first, and then each change, after the cache has it", () => {
    const { informer, list, event, relist } = createInformerHarness();
    const sizes: number[] = [];
    const recorder = new Recorder(() => sizes.push(informer.lister.size));
    informer.addEventHandler(recorder);
    informer.start();
    list(listOf(9, thing("a", 5), thing("b", 7)));
    event("MODIFIED", "a", 10);
    event("DELETED", "b", 11);
    event("ADDED", "c", 12);
    relist(listOf(30, thing("a", 20)));
    expect(recorder.told).toEqual([
      "+a@5 initial",
      "+b@7 initial",
      "a@5->10",
      "-b@11",
      "+c@12",
      "-c@12 unseen",
      "a@10->20",
    ]);
    expect(sizes).toEqual([2, 2, 2, 1, 2, 1, 1]);
  });

  test("that come late are told what is there, as part of the initial list", () => {
    const { informer, list, event } = createInformerHarness();
    informer.start();
    list(listOf(9, thing("a", 5)));
    const recorder = new Recorder();
    const registration = informer.addEventHandler(recorder);
    expect([recorder.told, registration.hasSynced, registration.pending]).toEqual([[], false, 1]);
    event("ADDED", "b", 10);
    expect([recorder.told, registration.hasSynced]).toEqual([["+a@5 initial", "+b@10"], true]);
  });

  test("that are slow are told the newest of what waits, and hold up nobody", () => {
    const { time, informer, list, event } = createInformerHarness();
    const slow = new Recorder(() => new Promise<void>((resolve) => time.setTimer(resolve, 1_000)));
    const quick = new Recorder();
    const registration = informer.addEventHandler(slow);
    informer.addEventHandler(quick);
    informer.start();
    list(listOf(9, thing("a", 5)));
    for (let version = 10; version <= 13; version++) event("MODIFIED", "a", version);
    expect(slow.told).toEqual(["+a@5 initial"]);
    expect(quick.told).toEqual(["+a@5 initial", "a@5->10", "a@10->11", "a@11->12", "a@12->13"]);
    expect([registration.pending, registration.hasSynced]).toEqual([1, false]);
    time.advance(1_000);
    expect([slow.told, registration.hasSynced]).toEqual([["+a@5 initial", "a@5->13"], true]);
  });

  test("that never finish cost two deltas an object, and hold up neither the others nor the stop", async () => {
    const { informer, list, event } = createInformerHarness();
    const stuck = new Recorder(() => new Promise(() => {}));
    const quick = new Recorder();
    const registration = informer.addEventHandler(stuck);
    informer.addEventHandler(quick);
    informer.start();
    list(listOf(9, thing("a", 5), thing("b", 6)));
    for (let version = 10; version < 1_000; version++) event("MODIFIED", "b", version);
    for (let version = 1_000; version < 2_000; version += 2) {
      event("ADDED", `new-${version}`, version);
      event("DELETED", `new-${version}`, version + 1);
    }
    expect([stuck.told, registration.pending, quick.told.length]).toEqual([["+a@5 initial"], 1, 1_992]);
    await informer.stop();
    expect([registration.pending, registration.hasSynced]).toEqual([0, false]);
  });

  test("that throw or reject are reported, and are called again all the same", () => {
    const { faults, informer, list, event } = createInformerHarness();
    const thrower = new Recorder(() => {
      throw new Error("thrown");
    });
    const rejecter = new Recorder(() => Promise.reject(new Error("rejected")));
    const well = new Recorder();
    const registrations = [thrower, rejecter, well].map((handler) => informer.addEventHandler(handler));
    informer.start();
    list(listOf(9, thing("A", 5)));
    event("MODIFIED", "A", 10);
    event("DELETED", "A", 11);
    for (const { told } of [thrower, rejecter, well]) expect(told).toEqual(["+A@5 initial", "A@5->10", "-A@11"]);
    const told = faults.map(({ kind, during, key, error }) => `${kind} ${key} ${during} ${error}`).sort();
    expect(told).toEqual([
      "Thing a onAdd Error: rejected",
      "Thing a onAdd Error: thrown",
      "Thing a onDelete Error: rejected",
      "Thing a onDelete Error: thrown",
      "Thing a onUpdate Error: rejected",
      "Thing a onUpdate Error: thrown",
    ]);
    expect(registrations.map(({ hasSynced }) => hasSynced)).toEqual([true, true, true]);
  });

  test("need not have all three methods", () => {
    const { faults, informer, list, event } = createInformerHarness();
    const names: string[] = [];
    informer.addEventHandler({ onAdd: ({ name }) => names.push(name) });
    informer.start();
    list(listOf(9, thing("a", 5)));
    event("MODIFIED", "a", 10);
    event("DELETED", "a", 11);
    expect([names, faults]).toEqual([["a"], []]);
  });

  test("give everything else a turn where they never wait themselves", () => {
    const { time, informer, list } = createInformerHarness();
    let now = 0;
    time.monotonicMs = () => now;
    const told: string[] = [];
    informer.addEventHandler({
      onAdd({ name }) {
        told.push(name);
        now += 4;
      },
    });
    informer.start();
    list(listOf(9, ...["a", "b", "c", "d", "e"].map((name, i) => thing(name, i + 1))));
    expect(told).toEqual(["a", "b", "c"]);
    time.monotonicMs = SimulatedTime.prototype.monotonicMs;
    time.advance(0);
    expect(told).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("that are removed are told no more, even of what waits; the others are", async () => {
    const { time, informer, list, event } = createInformerHarness();
    const slow = new Recorder(() => new Promise<void>((resolve) => time.setTimer(resolve, 1_000)));
    const other = new Recorder();
    const registration = informer.addEventHandler(slow, { resyncMs: 5_000 });
    informer.addEventHandler(other);
    informer.start();
    list(listOf(9, thing("a", 5), thing("b", 6)));
    const synced = outcomeOf(registration.waitForSync());
    registration.remove();
    registration.remove();
    let ended = false;
    void registration.ended.then(() => {
      ended = true;
    });
    event("MODIFIED", "a", 10);
    expect([slow.told, ended, registration.pending]).toEqual([["+a@5 initial"], false, 0]);
    time.advance(20_000);
    expect([slow.told, ended, other.told.length]).toEqual([["+a@5 initial"], true, 3]);
    expect(await synced).toStartWith("CANCELLED: the handler was removed");
  });

  test("may remove themselves from within a call", () => {
    const { informer, list } = createInformerHarness();
    let registration: HandlerRegistration | undefined;
    const once = new Recorder(() => registration?.remove());
    registration = informer.addEventHandler(once);
    informer.start();
    list(listOf(9, thing("a", 5), thing("b", 6)));
    expect(once.told).toEqual(["+a@5 initial"]);
  });
});
