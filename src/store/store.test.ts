import { describe, expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { type CancelScope, UNBOUNDED } from "../base/cancel-scope.ts";
import { StatusError } from "../base/status-error.ts";
import { ListGpusResponseSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import { atOnce, codeOf, condition, peer, RecordingSink, TestStore } from "../testing/test-store.ts";
import { TRANSACTION_MAX_MS } from "./limits.ts";
import type { StoreView } from "./store.ts";
import type { Transaction } from "./transaction.ts";

const A = peer(1, "a");
const NAMES = Array.from({ length: 8 }, (_, i) => `gpu-${i}`);

const codeOfLater = async (outcome: unknown): Promise<string> => {
  try {
    await outcome;
    return "OK";
  } catch (error) {
    return error instanceof StatusError ? error.code : String(error);
  }
};

const within = (deadlineMs: number): CancelScope => ({ deadlineMs, cancelled: false, onCancel: () => {} });

/** 8 GPUs, and a transaction over all of them that is held open after the fourth. */
function held(scope: CancelScope = UNBOUNDED) {
  const store = new TestStore();
  for (const name of NAMES) store.register(A, name);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const transactions: Transaction[] = [];
  const outcome = store.store.write(scope, async (transaction) => {
    transactions.push(transaction);
    for (const [i, name] of NAMES.entries()) {
      if (i === 4) await promise;
      transaction.updateCondition(A, name, condition("X", "False"));
    }
  });
  return { store, outcome, release: resolve, fail: reject, transactions };
}

const unhealthy = (view: StoreView) =>
  view.snapshot().objects.filter(({ status }) => status.conditions[0]?.status === "False").length;

describe("while a transaction is open", () => {
  test("reads and the start of a watch wait, and then see all of it; a deadline ends the wait", async () => {
    const { store, outcome, release } = held();
    const reads = [
      store.store.read(UNBOUNDED, unhealthy),
      store.store.read(UNBOUNDED, (view) => Number(view.get("gpu-0")?.version)),
    ];
    const sink = new RecordingSink();
    const watching = store.store.watch(UNBOUNDED, undefined, sink);
    const late = store.store.read(within(50), unhealthy);
    store.pass(49);
    expect(store.store.stats().gpus.unhealthy).toBe(0);
    store.pass(1);
    expect(await codeOfLater(late)).toBe("DEADLINE_EXCEEDED");
    expect(sink.events).toEqual([]);
    release();
    await Promise.all([outcome, watching]);
    expect(await Promise.all(reads)).toEqual([8, store.version - 7]);
    expect(sink.events.map(({ object }) => object?.status?.conditions[0]?.status)).toEqual(NAMES.map(() => "False"));
    expect(store.time.pending).toBe(0);
  });

  test("that fails after some of its changes, readers see none of them", async () => {
    const { store, outcome, fail } = held();
    const { version } = store;
    const read = store.store.read(UNBOUNDED, unhealthy);
    fail(new Error("broken"));
    expect(await codeOfLater(outcome)).toBe("Error: broken");
    expect([await read, store.version, store.time.pending]).toEqual([0, version, 0]);
  });

  test("for longer than the limit, it is rolled back with ABORTED, and its section can do nothing more", async () => {
    const { store, outcome, release, transactions } = held();
    const { version } = store;
    const read = store.store.read(UNBOUNDED, unhealthy);
    store.pass(TRANSACTION_MAX_MS - 1);
    expect(store.store.read(UNBOUNDED, unhealthy)).toBeInstanceOf(Promise);
    store.pass(1);
    expect(await codeOfLater(outcome)).toBe("ABORTED");
    expect(store.rolledBack).toEqual(["ABORTED"]);
    expect(await read).toBe(0);
    const [transaction] = transactions;
    expect(codeOf(() => transaction?.updateCondition(A, "gpu-7", condition("X", "False")))).toBe("ABORTED");
    release();
    await Bun.sleep(1);
    expect([atOnce(store.store.read(UNBOUNDED, unhealthy)), store.version]).toEqual([0, version]);
    expect(store.reportOne(A, "gpu-0", condition("X", "False"))).toBe(version + 1);
  });
});

describe("a read", () => {
  test("after an acknowledged write shows it, without a promise", () => {
    using store = new TestStore();
    for (const [i, name] of NAMES.entries()) {
      const { resourceVersion } = store.register(A, name);
      expect(Number(store.get(name)?.resourceVersion)).toBe(resourceVersion);
      expect(store.names().length).toBe(i + 1);
    }
  });

  test("gives items and version of one instant, and a snapshot that later writes do not touch", () => {
    using store = new TestStore();
    store.register(A, "gpu-0");
    const before = atOnce(store.store.read(UNBOUNDED, (view) => view.snapshot()));
    const again = atOnce(store.store.read(UNBOUNDED, (view) => view.snapshot()));
    expect(again).toBe(before);
    const bytes = before.reply.slice();
    store.reportOne(A, "gpu-0", condition("X", "False"));
    store.register(A, "gpu-1");
    expect(Buffer.compare(before.reply, bytes)).toBe(0);
    const { gpuList } = fromBinary(
      ListGpusResponseSchema,
      atOnce(store.store.read(UNBOUNDED, (view) => view.snapshot().reply)),
    );
    expect(gpuList?.metadata?.resourceVersion).toBe(String(store.version));
    expect(gpuList?.items.map(({ resourceVersion }) => Number(resourceVersion))).toEqual([
      store.version - 1,
      store.version,
    ]);
  });

  test("lists by natural order of the names, in which case does not count", () => {
    using store = new TestStore();
    for (const name of ["gpu-10", "GPU-2", "gpu-1", "Gpu-20", "a", "constructor", "toString"]) store.register(A, name);
    expect(store.names()).toEqual(["a", "constructor", "gpu-1", "GPU-2", "gpu-10", "Gpu-20", "toString"]);
    store.write((transaction) => transaction.unregister(A, "gpu-2"));
    expect(store.names()).toEqual(["a", "constructor", "gpu-1", "gpu-10", "Gpu-20", "toString"]);
  });

  test("finds no GPU under names that every object knows", () => {
    using store = new TestStore();
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      expect(store.get(name)).toBeUndefined();
    }
    store.register(A, "constructor", "__proto__");
    store.report(peer(1, "__proto__"), "constructor", condition("__proto__", "False"));
    expect(store.conditions("constructor")).toEqual(["Ready=False", "__proto__=False"]);
    expect(() => store.register(A, "other", "__proto__")).toThrow("known as constructor");
    expect(store.heartbeat(peer(1, "__proto__"))).toBe(true);
  });
});

describe("the counter of versions", () => {
  test("starts at the wall clock's microseconds", () => {
    using store = new TestStore();
    expect(store.version).toBe(1_790_000_000_000_000);
  });

  test("counts one for each object that changes, and each object carries its own", () => {
    using store = new TestStore();
    const start = store.version;
    store.register(A, "gpu-0");
    store.register(A, "gpu-1");
    store.reportOne(A, "gpu-0", condition("X", "True"));
    store.write((transaction) => transaction.unregister(A, "gpu-1"));
    expect(store.version).toBe(start + 4);
    expect(Number(store.get("gpu-0")?.resourceVersion)).toBe(start + 3);
  });
});

describe("the counts", () => {
  test("have every GPU in exactly one state", () => {
    using store = new TestStore();
    for (const name of NAMES.slice(0, 4)) store.register(A, name);
    store.report(A, "gpu-1", condition("X", "True"));
    store.report(A, "gpu-2", condition("X", "False"));
    store.report(A, "gpu-3", condition("X", "Unknown"));
    expect(store.store.stats().gpus).toEqual({ healthy: 1, unhealthy: 1, unknown: 2 });
  });
});

describe("a wall clock that leaps", () => {
  test("moves no condition's time back, and no lease at all", () => {
    using store = new TestStore();
    store.register(A, "gpu-0");
    store.heartbeat(A);
    const since = () => store.get("gpu-0")?.status?.conditions.map((c) => Number(c.lastTransitionTime?.seconds)) ?? [];
    let latest = [0, 0];
    let up = true;
    for (const leapS of [3_600, -7_200, 0, 3_600, -1, 86_400, -90_000]) {
      store.time.wallOffsetUs += leapS * 1_000_000;
      store.pass(1_000);
      store.reportOne(A, "gpu-0", condition("X", up ? "True" : "False"));
      up = !up;
      expect(since().every((seconds, i) => seconds >= (latest[i] ?? 0))).toBe(true);
      latest = since();
    }
    expect(store.lost).toEqual([]);
    store.time.wallOffsetUs += 3_600_000_000;
    store.pass(29_999);
    expect(store.lost).toEqual([]);
    store.time.wallOffsetUs -= 7_200_000_000;
    store.pass(1);
    expect(store.lost).toEqual([{ id: "a", gpus: 1 }]);
  });
});
