import { describe, expect, test } from "bun:test";
import { UNBOUNDED } from "../base/cancel-scope.ts";
import { atOnce, codeOf, condition, LEASE_MS, peer, TestStore } from "../testing/test-store.ts";
import { GPUS_MAX, LIST_BYTES_MAX, MESSAGE_MAX } from "./limits.ts";

const A = peer(1, "a");
const listBytes = (store: TestStore) => atOnce(store.store.read(UNBOUNDED, (view) => view.snapshot().reply)).length;

/** Everything that a refused write must leave as it was. */
const stateOf = (store: TestStore) => [store.version, store.store.stats(), listBytes(store), store.names().length];

/** Reports that say nothing about Ready, so that a byte more in one is a byte more in the list. */
const rules = { inverted: [], advisory: ["Hint*"] };
const hint = (number: number, length = MESSAGE_MAX, status: "True" | "False" = "False") =>
  condition(`Hint${number}`, status, { message: "m".repeat(length) });

/** 14 GPUs with 63 conditions of the largest size: 27 kB below 3.5 MiB. */
function almostFull(): TestStore {
  const store = new TestStore({ rules });
  for (let i = 0; i < 14; i++) {
    store.register(A, `gpu-${i}`);
    store.report(A, `gpu-${i}`, ...Array.from({ length: 63 }, (_, number) => hint(number)));
  }
  return store;
}

const roomIn = (store: TestStore) => LIST_BYTES_MAX - listBytes(store);

/** Fills the list to the last byte with reports on the GPU "last"; returns how to change the size by some bytes. */
function fillUp(store: TestStore): (moreBytes: number) => number {
  store.register(A, "last");
  let number = 0;
  while (roomIn(store) > 4_500) store.reportOne(A, "last", hint(number++));
  store.reportOne(A, "last", hint(number, 200));
  const length = 200 + roomIn(store);
  const change = (moreBytes: number) => store.reportOne(A, "last", hint(number, length + moreBytes));
  change(0);
  return change;
}

describe("the limit of 4,096 GPUs", () => {
  test("refuses one more and changes nothing, and has room again when one goes", () => {
    using store = new TestStore();
    store.write((transaction) => {
      for (let i = 0; i < GPUS_MAX; i++) {
        transaction.register(A, { name: `gpu-${i}`, uuid: `GPU-${i}`, status: undefined });
      }
      const more = () => transaction.register(A, { name: "more", uuid: "", status: undefined });
      expect(codeOf(more)).toBe("RESOURCE_EXHAUSTED");
    });
    const before = stateOf(store);
    expect(codeOf(() => store.register(A, "more"))).toBe("RESOURCE_EXHAUSTED");
    expect(() => store.register(A, "more")).toThrow("name: 4096 GPUs");
    expect(stateOf(store)).toEqual(before);
    expect(store.register(A, "gpu-7").created).toBe(false);
    store.write((transaction) => {
      transaction.unregister(A, "gpu-7");
      transaction.register(A, { name: "more", uuid: "", status: undefined });
    });
    expect([codeOf(() => store.register(A, "gpu-7")), store.names().length]).toEqual(["RESOURCE_EXHAUSTED", GPUS_MAX]);
  });
});

describe("the limit of 64 conditions", () => {
  test("refuses the write as a whole", () => {
    using store = new TestStore();
    store.register(A, "gpu-0");
    store.report(A, "gpu-0", ...Array.from({ length: 64 }, (_, i) => condition(`T${i}`, "True")));
    const before = stateOf(store);
    expect(codeOf(() => store.reportOne(peer(2, "b"), "gpu-0", condition("T", "True")))).toBe("RESOURCE_EXHAUSTED");
    expect(stateOf(store)).toEqual(before);
    expect(store.conditions("gpu-0").length).toBe(65);
  });
});

describe("the limit of 3.5 MiB for the list", () => {
  test("is kept to the byte, refuses with the limit in the message, and changes nothing", () => {
    using store = almostFull();
    const change = fillUp(store);
    expect(roomIn(store)).toBe(0);
    const before = stateOf(store);
    expect(codeOf(() => change(1))).toBe("RESOURCE_EXHAUSTED");
    expect(() => change(1)).toThrow("3.5 MiB");
    expect(codeOf(() => store.register(A, "more"))).toBe("RESOURCE_EXHAUSTED");
    expect(stateOf(store)).toEqual(before);
    change(-1);
    expect(roomIn(store)).toBe(1);
    store.reportOne(A, "gpu-0", hint(0, 0));
    expect(codeOf(() => store.register(A, "more"))).toBe("OK");
  });

  test("counts what the list really takes, through every kind of change", () => {
    using store = almostFull();
    for (let round = 0; round < 3; round++) {
      store.register(A, "x", "GPU-x");
      store.reportOne(A, "x", hint(1, 1_000));
      store.register(A, "x", "GPU-longer");
      store.reportOne(A, "gpu-0", hint(0, round));
      store.reportOne(A, "gpu-0", hint(0));
      expect(codeOf(() => store.report(A, "gpu-9"))).toBe("OK");
      store.report(A, "gpu-9", ...Array.from({ length: 63 }, (_, number) => hint(number)));
      store.write((transaction) => transaction.unregister(A, "x"));
    }
    const change = fillUp(store);
    expect([roomIn(store), codeOf(() => change(1))]).toEqual([0, "RESOURCE_EXHAUSTED"]);
  });

  test("does not keep a lost provider's conditions good: the list may then be a little longer", () => {
    using store = almostFull();
    for (let number = 0; number < 4; number++) store.reportOne(A, "gpu-0", hint(number, 0, "True"));
    fillUp(store);
    expect(roomIn(store)).toBe(0);
    store.heartbeat(A);
    store.pass(LEASE_MS);
    expect(store.lost).toEqual([{ id: "a", gpus: 1 }]);
    expect(roomIn(store)).toBeLessThan(0);
    expect(listBytes(store)).toBeLessThan(4 * 1024 * 1024);
    // From above the limit the way leads down alone.
    expect(codeOf(() => store.register(A, "more"))).toBe("RESOURCE_EXHAUSTED");
    expect(codeOf(() => store.reportOne(A, "gpu-0", hint(0, 0, "True")))).toBe("OK");
  });

  test("leaves room for what falls silent: however many small good conditions, the list stays within 4 MiB", () => {
    using store = new TestStore();
    const small = Array.from({ length: 24 }, (_, i) => condition(`c${i}`, "True"));
    let last = 0;
    const add = () => {
      store.register(A, `g${last}`);
      store.report(A, `g${last}`, ...small);
    };
    while (codeOf(add) === "OK" && last < GPUS_MAX) last++;
    expect(last).toBeGreaterThan(1_000);
    expect(add).toThrow("fell silent; the limit is 4194304");
    expect(codeOf(() => store.report(A, "g0"))).toBe("OK");
    const before = listBytes(store);
    store.heartbeat(A);
    store.pass(LEASE_MS);
    expect(store.conditions("g1").filter((text) => !text.endsWith("=Unknown"))).toEqual([]);
    expect(listBytes(store)).toBeGreaterThan(2 * before);
    expect(listBytes(store)).toBeLessThanOrEqual(4 * 1024 * 1024);
  });
});
