import { describe, expect, test } from "bun:test";
import { UNBOUNDED } from "../base/cancel-scope.ts";
import { atOnce, condition, peer, TestStore } from "../testing/test-store.ts";
import { MESSAGE_MAX, RECENT_EVENTS_BYTES_MAX } from "./limits.ts";
import type { EventsQuery, RecentEvent } from "./recent-events.ts";

const A = peer(1, "a");
const B = peer(2, "b");

const list = (store: TestStore, query: Partial<EventsQuery> = {}): readonly RecentEvent[] =>
  atOnce(store.store.read(UNBOUNDED, (view) => view.events({ limit: 100, ...query })));

const latest = (store: TestStore): RecentEvent | undefined => list(store, { limit: 1 })[0];

/** "Type from>to reason" of each change. */
const lines = (event: RecentEvent | undefined): readonly string[] =>
  event?.changes.map(({ type, from = "", to = "", reason }) => `${type} ${from}>${to} ${reason}`) ?? [];

describe("an event", () => {
  test("of a GPU that came shows all it came with", () => {
    using store = new TestStore();
    store.write((transaction) => {
      transaction.register(A, { name: "gpu-0", uuid: "GPU-0", status: undefined });
      const conditions = [condition("Memory", "False", { reason: "Dbe", message: "two bits" })];
      transaction.updateStatus(A, "gpu-0", { conditions, action: "RESTART_BM" });
    });
    expect(list(store)).toEqual([
      {
        version: BigInt(store.version),
        atMs: 1_790_000_000_000,
        gpu: "gpu-0",
        kind: "ADDED",
        whole: false,
        changes: [
          { type: "Ready", to: "False", reason: "Dbe", message: "two bits" },
          { type: "Memory", to: "False", reason: "Dbe", message: "two bits" },
        ],
        actionFrom: "",
        actionTo: "RESTART_BM",
      },
    ]);
  });

  test("of one that changed shows what is other than before: status, words alone, what came and what went", () => {
    using store = new TestStore();
    store.register(A, "gpu-0", "GPU-0");
    const same = condition("Fan", "True");
    store.report(A, "gpu-0", same, condition("Link", "True"), condition("Memory", "True", { reason: "Fine" }));
    store.report(A, "gpu-0", same, condition("Memory", "False", { reason: "Dbe" }), condition("Power", "True"));
    const event = latest(store);
    expect(lines(event)).toEqual(["Ready True>False Dbe", "Memory True>False Dbe", "Power >True ", "Link True> "]);
    expect(event).not.toContainKeys(["actionFrom", "actionTo", "uuid", "by"]);
    store.report(A, "gpu-0", same, condition("Memory", "False", { reason: "Sbe" }), condition("Power", "True"));
    expect(lines(latest(store))).toEqual(["Ready False>False Sbe", "Memory False>False Sbe"]);
  });

  test("shows an advice and a UUID that changed", () => {
    using store = new TestStore();
    store.register(A, "gpu-0", "GPU-0");
    const conditions = [condition("Memory", "False")];
    const advise = (action: string) =>
      store.write((transaction) => transaction.updateStatus(A, "gpu-0", { conditions, action }));
    advise("RESTART_BM");
    expect(latest(store)).toMatchObject({ actionFrom: "", actionTo: "RESTART_BM" });
    advise("");
    expect(latest(store)).toMatchObject({ actionFrom: "RESTART_BM", actionTo: "", changes: [] });
    store.register(A, "gpu-0", "GPU-1");
    expect(latest(store)).toMatchObject({ uuid: "GPU-1", changes: [] });
  });

  test("of one that went has no conditions, and its return shows all again, under its new spelling", () => {
    using store = new TestStore();
    store.register(A, "gpu-0");
    store.report(A, "gpu-0", condition("Memory", "True"));
    store.write((transaction) => transaction.unregister(A, "gpu-0"));
    expect(latest(store)).toMatchObject({ kind: "DELETED", gpu: "gpu-0", whole: false, changes: [] });
    store.register(A, "GPU-0");
    expect(latest(store)).toMatchObject({ kind: "ADDED", gpu: "GPU-0", whole: false, changes: [] });
    expect(list(store, { name: "Gpu-0" }).map(({ kind }) => kind)).toEqual(["ADDED", "DELETED", "MODIFIED", "ADDED"]);
  });

  test("is shown whole where the history has forgotten the state before it", () => {
    using store = new TestStore({ history: { events: 2, bytes: 1_000_000 } });
    store.register(A, "gpu-0");
    store.report(A, "gpu-0", condition("Memory", "True"), condition("Fan", "True"));
    store.register(A, "gpu-1");
    store.report(A, "gpu-0", condition("Memory", "False"), condition("Fan", "True"));
    // The report before it stands 2 versions back, and the ring holds 2.
    expect(list(store).map(({ kind, whole }) => [kind, whole])).toEqual([
      ["MODIFIED", true],
      ["ADDED", false],
    ]);
    expect(lines(latest(store))).toEqual(["Ready >False ", "Fan >True ", "Memory >False "]);
  });

  test("carries the time of its commit, which is the same for all of one transaction", () => {
    using store = new TestStore();
    store.register(A, "gpu-0");
    store.pass(2_500);
    store.write((transaction) => {
      for (const name of ["gpu-1", "gpu-2"]) transaction.register(A, { name, uuid: "", status: undefined });
    });
    expect(list(store).map(({ gpu, atMs }) => [gpu, atMs - 1_790_000_000_000])).toEqual([
      ["gpu-2", 2_500],
      ["gpu-1", 2_500],
      ["gpu-0", 0],
    ]);
  });
});

describe("the list", () => {
  test("is newest first, as many as were asked for, of one GPU or of all, or those after a version", () => {
    using store = new TestStore();
    for (const name of ["gpu-0", "gpu-1"]) store.register(A, name);
    for (let i = 0; i < 6; i++) {
      store.reportOne(i % 2 === 0 ? A : B, `gpu-${i % 2}`, condition(`C${i}`, "True"));
    }
    const { version } = store;
    const versions = (query: Partial<EventsQuery>) =>
      list(store, query).map((event) => Number(event.version) - version);
    expect(versions({})).toEqual([-0, -1, -2, -3, -4, -5, -6, -7].map((n) => n + 0));
    expect(versions({ limit: 2 })).toEqual([0, -1]);
    expect(versions({ name: "GPU-1" })).toEqual([0, -2, -4, -6]);
    expect(versions({ name: "gpu-0", limit: 1 })).toEqual([-1]);
    expect(versions({ name: "gpu-2" })).toEqual([]);
    expect(versions({ after: version - 2 })).toEqual([0, -1]);
    expect(versions({ after: version })).toEqual([]);
    expect(versions({ after: version + 5 })).toEqual([]);
  });

  test("of an empty history is empty", () => {
    using store = new TestStore();
    expect(list(store)).toEqual([]);
  });

  test("ends before it grows too large, and is never empty for that", () => {
    using store = new TestStore({ history: { events: 1_000, bytes: 16 * RECENT_EVENTS_BYTES_MAX } });
    store.register(A, "gpu-0");
    // Each character takes four bytes; Ready, which repeats the worst condition, is one more.
    const large = (status: "True" | "False") =>
      Array.from({ length: 30 }, (_, i) => condition(`C${i}`, status, { message: "😀".repeat(MESSAGE_MAX) }));
    for (const status of ["True", "False", "True", "False"] as const) store.report(A, "gpu-0", ...large(status));
    const events = list(store);
    expect(events.map(({ changes }) => changes.length)).toEqual([31, 31]);
    expect(events[0]?.version).toBe(BigInt(store.version));
    store.report(A, "gpu-0", ...large("True"), ...large("True").map((one) => ({ ...one, type: `${one.type}b` })));
    expect(list(store).map(({ changes }) => changes.length)).toEqual([61]);
  });
});
