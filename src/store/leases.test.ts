import { describe, expect, test } from "bun:test";
import { UNBOUNDED } from "../base/cancel-scope.ts";
import { LOCK_WAITERS_MAX } from "../base/rw-lock.ts";
import { codeOf, condition, LEASE_MS, peer, RecordingSink, TestStore } from "../testing/test-store.ts";
import { PROVIDERS_MAX } from "./limits.ts";

const A = peer(1, "a");
const B = peer(2, "b");
const BUILTIN = { kind: "builtin", id: "simulated" } as const;

/** Two GPUs, on which A reports a good and a bad condition each. */
function reported() {
  const store = new TestStore();
  for (const name of ["gpu-0", "gpu-1"]) {
    store.register(A, name);
    store.report(A, name, condition("Good", "True"), condition("Bad", "False", { reason: "Xid79" }));
  }
  return store;
}

describe("a provider that stops its heartbeats", () => {
  test("expires after its lease, on a timer: what was good is Unknown, what was bad stays, as watch events", () => {
    using store = reported();
    const sink = new RecordingSink();
    expect(store.heartbeat(A)).toBe(true);
    using _watcher = store.watch(sink, store.version);
    const { version } = store;
    store.pass(LEASE_MS - 1);
    expect(store.conditions("gpu-0")).toEqual(["Ready=False", "Bad=False", "Good=True"]);
    store.pass(1);
    for (const name of ["gpu-0", "gpu-1"]) {
      expect(store.conditions(name)).toEqual(["Ready=False", "Bad=False", "Good=Unknown"]);
      const conditions = store.get(name)?.status?.conditions;
      expect(conditions?.map(({ reason }) => reason)).toEqual(["Xid79", "Xid79", "ProviderLost"]);
    }
    expect(store.lost).toEqual([{ id: "a", gpus: 2 }]);
    expect(sink.lines).toEqual(["MODIFIED gpu-0", "MODIFIED gpu-1"]);
    expect(sink.versions).toEqual([version + 1, version + 2]);
    expect(store.store.stats().providers).toEqual({ active: 0, lost: 1 });
    store.pass(10 * LEASE_MS);
    expect([store.lost.length, store.version, store.time.pending]).toEqual([1, version + 2, 0]);
  });

  test("is told once that its lease had run out; conditions turn good only when written again", () => {
    using store = reported();
    store.heartbeat(A);
    store.pass(LEASE_MS);
    expect(store.heartbeat(A)).toBe(false);
    expect(store.heartbeat(A)).toBe(true);
    expect(store.conditions("gpu-0")[2]).toBe("Good=Unknown");
    store.reportOne(A, "gpu-0", condition("Good", "True"));
    expect(store.conditions("gpu-0")[2]).toBe("Good=True");
    expect(store.conditions("gpu-1")[2]).toBe("Good=Unknown");
    store.pass(LEASE_MS);
    expect(store.lost.map(({ gpus }) => gpus)).toEqual([2, 1]);
  });

  test("and writes again without a heartbeat expires again, and is then told", () => {
    using store = reported();
    store.heartbeat(A);
    store.pass(LEASE_MS);
    store.reportOne(A, "gpu-0", condition("Good", "True"));
    expect(store.store.stats().providers).toEqual({ active: 1, lost: 0 });
    store.pass(LEASE_MS - 1);
    expect(store.conditions("gpu-0")[2]).toBe("Good=True");
    store.pass(1);
    expect(store.conditions("gpu-0")[2]).toBe("Good=Unknown");
    expect(store.lost.length).toBe(2);
    expect(store.heartbeat(A)).toBe(false);
  });

  test("leaves what another provider says of the same type; the worst of both is shown", () => {
    using store = new TestStore();
    store.register(A, "gpu-0");
    for (const writer of [A, B]) store.report(writer, "gpu-0", condition("Good", "True"));
    store.heartbeat(A);
    store.heartbeat(B);
    store.pass(LEASE_MS / 2);
    store.heartbeat(B);
    store.pass(LEASE_MS / 2);
    expect(store.lost).toEqual([{ id: "a", gpus: 1 }]);
    expect(store.conditions("gpu-0")).toEqual(["Ready=Unknown", "Good=Unknown"]);
    store.report(A, "gpu-0");
    expect(store.conditions("gpu-0")).toEqual(["Ready=True", "Good=True"]);
    store.pass(LEASE_MS / 2);
    expect(store.lost.at(-1)).toEqual({ id: "b", gpus: 1 });
  });
});

describe("a lease", () => {
  test("is renewed by heartbeats, writes and withdrawals, refused ones excepted", () => {
    using store = reported();
    store.heartbeat(A);
    const renewals = [
      () => store.heartbeat(A),
      () => store.reportOne(A, "gpu-0", condition("Good", "True")),
      () => store.report(A, "gpu-1", condition("Good", "True")),
      () => store.register(A, "gpu-0"),
      () => store.report(peer(1), "gpu-0", condition("Good", "True")),
      () => store.write((transaction) => transaction.unregister(peer(1), "gpu-1")),
    ];
    for (const renew of renewals) {
      store.pass(LEASE_MS - 1);
      renew();
    }
    store.pass(LEASE_MS - 1);
    expect(store.lost).toEqual([]);
    expect(codeOf(() => store.report(A, "gpu-9"))).toBe("NOT_FOUND");
    store.pass(1);
    expect(store.lost.length).toBe(1);
  });

  test("is not taken by one that never sends heartbeats, nor by a built-in provider", () => {
    using store = reported();
    store.register(BUILTIN, "gpu-0");
    store.report(BUILTIN, "gpu-0", condition("Own", "True"));
    expect(store.time.pending).toBe(0);
    store.pass(100 * LEASE_MS);
    expect([store.lost, store.conditions("gpu-0")]).toEqual([
      [],
      ["Ready=False", "Bad=False", "Good=True", "Own=True"],
    ]);
  });

  test("keeps the id for its owner, with nothing standing under it too, and no longer once it is lost", () => {
    using store = new TestStore();
    const thief = peer(2, "a");
    store.register(BUILTIN, "gpu-0");
    store.heartbeat(A);
    expect(codeOf(() => store.report(thief, "gpu-0", condition("X", "True")))).toBe("PERMISSION_DENIED");
    store.report(A, "gpu-0", condition("X", "False"));
    store.pass(LEASE_MS);
    expect(codeOf(() => store.report(thief, "gpu-0", condition("X", "True")))).toBe("OK");
    expect(store.conditions("gpu-0")).toEqual(["Ready=True", "X=True"]);
    expect(codeOf(() => store.heartbeat(A))).toBe("PERMISSION_DENIED");
  });

  test("each runs out at its own time, by one timer for all", () => {
    using store = new TestStore();
    const ids = Array.from({ length: 20 }, (_, i) => `p${i}`);
    for (const id of ids) {
      store.heartbeat(peer(1, id));
      expect(store.time.pending).toBe(1);
      store.pass(1_000);
    }
    const lostAt: string[] = [];
    for (let ms = 20_000; ms <= 50_000; ms += 1_000) {
      while (store.lost.length > lostAt.length) lostAt.push(`${store.lost[lostAt.length]?.id}@${ms}`);
      store.pass(1_000);
    }
    expect(lostAt).toEqual(ids.map((id, i) => `${id}@${LEASE_MS + 1_000 * i}`));
  });

  test("that cannot be ended now is ended later, a second at a time", async () => {
    using store = reported();
    store.heartbeat(A);
    store.pass(LEASE_MS - 4_000);
    const { promise, resolve } = Promise.withResolvers<void>();
    const held = store.store.write(UNBOUNDED, () => promise);
    const reads = Array.from({ length: LOCK_WAITERS_MAX }, () => store.store.read(UNBOUNDED, () => 0));
    store.pass(4_000 + 900);
    expect(store.rolledBack).toEqual(["RESOURCE_EXHAUSTED"]);
    resolve();
    await Promise.all([held, ...reads]);
    store.pass(100);
    expect(store.lost).toEqual([{ id: "a", gpus: 2 }]);
  });

  test("waits for nobody in a store that was disposed", () => {
    const store = reported();
    store.heartbeat(A);
    store[Symbol.dispose]();
    expect(store.time.pending).toBe(0);
    store.heartbeat(B);
    expect(store.time.pending).toBe(0);
  });
});

describe("the limit of 1,024 providers", () => {
  test("is kept by forgetting those under whose id nothing stands, and never those with a lease", () => {
    using store = new TestStore();
    store.register(BUILTIN, "gpu-0");
    for (let i = 0; i < 2 * PROVIDERS_MAX; i++) {
      store.report(peer(1, `p${i}`), "gpu-0", condition("X", "True"));
      store.report(peer(1, `p${i}`), "gpu-0");
    }
    expect(store.store.stats().providers.active).toBe(PROVIDERS_MAX);
    store.heartbeat(peer(1, "p0"));
    for (let i = 1; i < PROVIDERS_MAX - 1; i++) store.heartbeat(peer(1, `p${i}`));
    expect(codeOf(() => store.heartbeat(peer(1, "one-more")))).toBe("RESOURCE_EXHAUSTED");
    expect(store.heartbeat(peer(1, "p0"))).toBe(true);
    store.pass(LEASE_MS);
    expect(store.heartbeat(peer(1, "one-more"))).toBe(true);
    expect(store.store.stats().providers).toEqual({ active: 2, lost: PROVIDERS_MAX - 2 });
  });

  test("is kept by a transaction that brings several", () => {
    using store = new TestStore();
    store.register(BUILTIN, "gpu-0");
    store.write((transaction) => {
      for (let i = 0; i < PROVIDERS_MAX + 50; i++) {
        transaction.updateStatus(peer(1, `p${i}`), "gpu-0", { conditions: [], action: "" });
      }
    });
    expect(store.store.stats().providers.active).toBe(PROVIDERS_MAX);
  });

  test("does not keep the server's own providers out", () => {
    using store = new TestStore();
    for (let i = 0; i < PROVIDERS_MAX; i++) store.heartbeat(peer(1, `p${i}`));
    expect(store.register(BUILTIN, "gpu-0").created).toBe(true);
  });
});
