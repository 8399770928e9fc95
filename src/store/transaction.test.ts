import { describe, expect, test } from "bun:test";
import { UNBOUNDED } from "../base/cancel-scope.ts";
import { codeOf, condition, LEASE_MS, peer, RecordingSink, TestStore } from "../testing/test-store.ts";
import type { Transaction } from "./transaction.ts";
import type { Writer } from "./types.ts";

const A = peer(1, "a");
const B = peer(2, "b");
const NVML: Writer = { kind: "builtin", id: "nvml-provider" };

const registering = (name: string, uuid: string) => (transaction: Transaction) =>
  transaction.register(A, { name, uuid, status: undefined });

/** A store with a watcher, so that what consumers see is at hand. */
function watched() {
  const store = new TestStore();
  const sink = new RecordingSink();
  store.watch(sink);
  const seen = () => {
    store.pass(0);
    return sink.lines;
  };
  return { store, sink, seen };
}

describe("registration", () => {
  test("of a new name creates it; of a known one in any case of letters does not, and keeps the first spelling", () => {
    const { store, seen } = watched();
    const start = store.version;
    expect(store.register(A, "GPU-Zero")).toEqual({ created: true, resourceVersion: start + 1 });
    expect(store.register(A, "gpu-zero")).toEqual({ created: false, resourceVersion: start + 1 });
    expect(store.register(B, "GPU-ZERO")).toEqual({ created: false, resourceVersion: start + 1 });
    expect(store.get("gPU-zERO")?.metadata?.name).toBe("GPU-Zero");
    expect(seen()).toEqual(["ADDED GPU-Zero"]);
  });

  test("takes the initial status only where this provider has no condition on that GPU yet", () => {
    using store = new TestStore();
    const first = (writer: Writer, type: string) =>
      store.write((transaction) => {
        const status = { conditions: [condition(type, "True")], action: "" };
        return transaction.register(writer, { name: "gpu-0", uuid: "", status });
      });
    first(A, "A1");
    first(A, "A2");
    first(B, "B1");
    expect(store.conditions("gpu-0")).toEqual(["Ready=True", "A1=True", "B1=True"]);
    store.report(A, "gpu-0");
    first(A, "A3");
    expect(store.conditions("gpu-0")).toEqual(["Ready=True", "A3=True", "B1=True"]);
  });

  test("changes the uuid only by the provider that registered first, as long as it is there", () => {
    using store = new TestStore();
    store.register(A, "gpu-0", "GPU-1");
    const { version } = store;
    expect(store.register(B, "gpu-0", "GPU-2").resourceVersion).toBe(version);
    expect(store.get("gpu-0")?.spec?.uuid).toBe("GPU-1");
    expect(store.register(A, "gpu-0", "GPU-3").resourceVersion).toBe(version + 1);
    store.register(A, "gpu-0");
    expect(store.get("gpu-0")?.spec?.uuid).toBe("GPU-3");
    store.write((transaction) => transaction.unregister(A, "gpu-0"));
    store.register(B, "gpu-0", "GPU-4");
    expect(store.get("gpu-0")?.spec?.uuid).toBe("GPU-4");
  });

  test("is refused with ALREADY_EXISTS, naming the other, for a uuid that is known, whoever registers", () => {
    using store = new TestStore();
    store.register(A, "gpu-0", "GPU-1");
    store.register(A, "gpu-1", "GPU-2");
    expect(() => store.register(A, "gpu-2", "gpu-1")).toThrow("gpu-1 is known as gpu-0");
    expect(codeOf(() => store.register(A, "gpu-1", "GPU-1"))).toBe("ALREADY_EXISTS");
    expect(codeOf(() => store.register(B, "gpu-1", "GPU-1"))).toBe("ALREADY_EXISTS");
    expect(store.names()).toEqual(["gpu-0", "gpu-1"]);
    store.write((transaction) => transaction.unregister(A, "gpu-0"));
    expect(codeOf(() => store.register(A, "gpu-2", "gpu-1"))).toBe("OK");
  });
});

describe("unregistering", () => {
  test("takes away what the caller registered and reported under all of its ids; the last one ends the object", () => {
    const { store, seen, sink } = watched();
    const other = peer(1, "a2");
    for (const writer of [A, other, B]) {
      store.register(writer, "gpu-0");
      store.report(writer, "gpu-0", condition(writer.claimedId, "True"));
    }
    expect(store.write((transaction) => transaction.unregister(peer(1), "GPU-0"))).toEqual({ deleted: false });
    expect(store.conditions("gpu-0")).toEqual(["Ready=True", "b=True"]);
    expect(store.write((transaction) => transaction.unregister(peer(1), "gpu-0"))).toEqual({ deleted: false });
    const { version } = store;
    expect(store.write((transaction) => transaction.unregister(peer(2), "gpu-0"))).toEqual({ deleted: true });
    expect(store.version).toBe(version + 1);
    expect(seen().at(-1)).toBe("DELETED gpu-0");
    expect(sink.versions.at(-1)).toBe(version + 1);
    expect(store.write((transaction) => transaction.unregister(peer(2), "gpu-0"))).toEqual({ deleted: false });
    expect(store.version).toBe(version + 1);
  });

  test("by a caller that has nothing there changes nothing, and a built-in provider takes its own alone", () => {
    using store = new TestStore();
    store.register(NVML, "gpu-0");
    store.register(A, "gpu-0");
    const { version } = store;
    expect(store.write((transaction) => transaction.unregister(B, "gpu-0"))).toEqual({ deleted: false });
    expect(store.write((transaction) => transaction.unregister(NVML, "gpu-0"))).toEqual({ deleted: false });
    expect(store.version).toBe(version);
    expect(store.write((transaction) => transaction.unregister(peer(0), "gpu-0"))).toEqual({ deleted: false });
    expect(store.names()).toEqual(["gpu-0"]);
  });
});

describe("forgetting a provider", () => {
  const forget = (store: TestStore, id: string, force = false) =>
    store.write((transaction) => transaction.forgetProvider(id, force));

  test("takes its registrations, conditions, lease and id in one transaction, which consumers see as one", () => {
    const { store, seen, sink } = watched();
    const bad = condition("Memory", "False", { reason: "Dbe" });
    for (const name of ["gpu-0", "gpu-1", "gpu-2"]) store.register(A, name, `GPU-${name}`);
    store.register(B, "gpu-1");
    store.report(A, "gpu-1", bad);
    store.report(B, "gpu-1", condition("Memory", "True"));
    store.report(B, "gpu-2", condition("Memory", "True"));
    store.heartbeat(A);
    store.pass(LEASE_MS);
    const { version } = store;
    seen();
    const before = sink.lines.length;
    expect(forget(store, "a")).toEqual({
      gpus: ["gpu-0", "gpu-1", "gpu-2"],
      conditions: 1,
      deleted: ["gpu-0", "gpu-2"],
    });
    // gpu-2 goes with what B said of it, as with UnregisterGpu: B never registered it.
    expect(seen().slice(before)).toEqual(["DELETED gpu-0", "MODIFIED gpu-1", "DELETED gpu-2"]);
    expect(sink.versions.slice(before)).toEqual([version + 1, version + 2, version + 3]);
    expect(store.conditions("gpu-1")).toEqual(["Ready=True", "Memory=True"]);
    expect(store.store.stats().providers).toEqual({ active: 1, lost: 0 });
    expect(store.rolledBack).toEqual([]);
    // Name and UUID are free, and the id is anybody's.
    expect(store.register(peer(3, "a"), "gpu-9", "GPU-gpu-0").created).toBe(true);
  });

  test("of a lease in force is for the forced, and its timer finds nothing", () => {
    using store = new TestStore();
    store.register(A, "gpu-0");
    store.heartbeat(A);
    store.heartbeat(B);
    expect(codeOf(() => forget(store, "a"))).toBe("FAILED_PRECONDITION");
    expect(store.names()).toEqual(["gpu-0"]);
    expect(forget(store, "a", true)).toEqual({ gpus: ["gpu-0"], conditions: 0, deleted: ["gpu-0"] });
    store.pass(LEASE_MS);
    expect(store.lost).toEqual([{ id: "b", gpus: 0 }]);
    expect(store.heartbeat(A)).toBe(true);
  });

  test("is taken back as a whole with its transaction, and refused for one that is unknown or built in", () => {
    using store = new TestStore();
    store.register(A, "gpu-0");
    store.register(NVML, "gpu-0");
    const { version } = store;
    for (const id of ["nobody", "nvml-provider"]) {
      const both = () =>
        store.write((transaction) => [transaction.forgetProvider("a", false), transaction.forgetProvider(id, true)]);
      expect(codeOf(both)).toBe(id === "nobody" ? "NOT_FOUND" : "FAILED_PRECONDITION");
    }
    expect([store.version, store.store.stats().providers.active]).toEqual([version, 2]);
    expect(forget(store, "a")).toEqual({ gpus: ["gpu-0"], conditions: 0, deleted: [] });
    expect([store.version, store.names()]).toEqual([version, ["gpu-0"]]);
  });
});

describe("an update", () => {
  test("of an unknown name is NOT_FOUND; one that says nothing new answers with the present version", () => {
    const { store, seen } = watched();
    expect(codeOf(() => store.report(A, "gpu-0"))).toBe("NOT_FOUND");
    expect(codeOf(() => store.reportOne(A, "gpu-0", condition("A", "True")))).toBe("NOT_FOUND");
    store.register(A, "gpu-0");
    store.register(A, "gpu-1");
    const version = store.report(A, "gpu-0", condition("A", "True", { reason: "r" }));
    store.report(A, "gpu-1", condition("A", "True"));
    expect(store.report(A, "GPU-0", condition("A", "True", { reason: "r" }))).toBe(version);
    expect(store.reportOne(A, "gpu-0", condition("A", "True", { reason: "r" }))).toBe(version);
    expect(seen().length).toBe(4);
  });

  test("that consumers cannot see raises no version and sends no event", () => {
    const { store, seen } = watched();
    store.register(A, "gpu-0");
    const version = store.report(A, "gpu-0", condition("A", "False"));
    expect(store.reportOne(B, "gpu-0", condition("A", "True"))).toBe(version);
    expect(seen().length).toBe(2);
    expect(store.report(A, "gpu-0")).toBe(version + 1);
    expect(store.conditions("gpu-0")).toEqual(["Ready=True", "A=True"]);
  });
});

describe("an id that was left out", () => {
  test("stands for the caller's registration on that GPU, else for the caller's identity", () => {
    using store = new TestStore();
    store.register(A, "gpu-0");
    store.register(B, "gpu-1");
    for (const name of ["gpu-0", "gpu-1"]) store.report(peer(1), name, condition(`of-${name}`, "True"));
    store.report(A, "gpu-0", condition("only", "True"));
    store.report(A, "gpu-1", condition("too", "True"));
    expect(store.conditions("gpu-0")).toEqual(["Ready=True", "only=True"]);
    expect(store.conditions("gpu-1")).toEqual(["Ready=True", "of-gpu-1=True", "too=True"]);
    store.report(peer(1, "uid:1"), "gpu-1");
    expect(store.conditions("gpu-1")).toEqual(["Ready=True", "too=True"]);
  });

  test("never stands for a built-in provider or for another's registration", () => {
    using store = new TestStore();
    store.register(NVML, "gpu-0");
    store.register(B, "gpu-0");
    store.report(NVML, "gpu-0", condition("N", "True"));
    store.report(peer(1), "gpu-0", condition("X", "True"));
    expect(store.conditions("gpu-0")).toEqual(["Ready=True", "N=True", "X=True"]);
  });

  test("is one's own identity also where uid 0 wrote under it before", () => {
    using store = new TestStore();
    store.register(NVML, "gpu-0");
    store.report(peer(0, "uid:1"), "gpu-0", condition("X", "True"));
    expect(codeOf(() => store.report(peer(1), "gpu-0", condition("X", "False")))).toBe("OK");
    expect(store.conditions("gpu-0")).toEqual(["Ready=False", "X=False"]);
  });
});

describe("a transaction over several GPUs", () => {
  test("is seen as a whole, with one version for each change, in the order of first touch", () => {
    const { store, seen, sink } = watched();
    const start = store.version;
    const outcomes = store.write((transaction) => {
      const all = ["gpu-2", "gpu-0", "gpu-1"].map((name) => registering(name, "")(transaction));
      transaction.updateCondition(A, "gpu-0", condition("X", "True"));
      return all;
    });
    expect(outcomes.map(({ resourceVersion }) => resourceVersion - start)).toEqual([1, 2, 3]);
    expect(seen()).toEqual(["ADDED gpu-2", "ADDED gpu-0", "ADDED gpu-1"]);
    expect(sink.versions).toEqual([start + 1, start + 2, start + 3]);
    expect(store.conditions("gpu-0")).toEqual(["Ready=True", "X=True"]);
  });

  test("that throws at the end changes nothing: no GPU, no version, no event, no provider, no lease", () => {
    const { store, seen } = watched();
    store.register(A, "gpu-0", "GPU-0");
    const before = [store.version, store.store.stats(), store.get("gpu-0")];
    const failing = () =>
      store.write((transaction) => {
        transaction.heartbeat(peer(3, "c"));
        registering("gpu-1", "GPU-1")(transaction);
        transaction.updateCondition(A, "gpu-0", condition("X", "False"));
        transaction.unregister(A, "gpu-0");
        transaction.updateCondition(A, "gpu-9", condition("X", "False"));
      });
    expect(codeOf(failing)).toBe("NOT_FOUND");
    expect([store.version, store.store.stats(), store.get("gpu-0")]).toEqual(before);
    expect(seen()).toEqual(["ADDED gpu-0"]);
    expect(store.time.pending).toBe(0);
    expect(store.register(B, "gpu-1", "GPU-1").created).toBe(true);
  });

  test("that takes a GPU away and brings it back shows one change, or none, and keeps the spelling", () => {
    const { store, seen } = watched();
    store.register(A, "GPU-0", "GPU-1");
    const { version } = store;
    const swapped = (uuid: string) =>
      store.write((transaction) => {
        const { deleted } = transaction.unregister(A, "gpu-0");
        return [deleted, registering("gpu-0", uuid)(transaction)];
      });
    expect(swapped("GPU-1")).toEqual([true, { created: true, resourceVersion: version }]);
    expect(swapped("GPU-2")).toEqual([true, { created: true, resourceVersion: version + 1 }]);
    expect(seen()).toEqual(["ADDED GPU-0", "MODIFIED GPU-0"]);
    expect(store.get("gpu-0")?.spec?.uuid).toBe("GPU-2");
  });

  test("that creates a GPU and takes it away shows nothing", () => {
    const { store, seen } = watched();
    const { version } = store;
    const outcome = store.write((transaction) => {
      const created = registering("gpu-0", "GPU-1")(transaction);
      transaction.unregister(A, "gpu-0");
      return created;
    });
    expect(outcome).toEqual({ created: true, resourceVersion: version });
    expect([seen(), store.names()]).toEqual([[], []]);
    expect(store.register(A, "gpu-1", "GPU-1").created).toBe(true);
  });

  test("may swap the uuids of two GPUs by way of a third", () => {
    using store = new TestStore();
    store.register(A, "gpu-0", "GPU-0");
    store.register(A, "gpu-1", "GPU-1");
    expect(codeOf(() => store.register(A, "gpu-0", "GPU-1"))).toBe("ALREADY_EXISTS");
    store.write((transaction) => {
      for (const [name, uuid] of [
        ["gpu-0", "GPU-x"],
        ["gpu-1", "GPU-0"],
        ["gpu-0", "GPU-1"],
        ["gpu-2", "GPU-x"],
      ] as const) {
        registering(name, uuid)(transaction);
      }
    });
    expect([store.get("gpu-0")?.spec?.uuid, store.get("gpu-1")?.spec?.uuid]).toEqual(["GPU-1", "GPU-0"]);
    for (const [uuid, holder] of [
      ["GPU-0", "gpu-1"],
      ["GPU-1", "gpu-0"],
      ["GPU-x", "gpu-2"],
    ] as const) {
      expect(() => store.register(A, "gpu-3", uuid)).toThrow(`known as ${holder}`);
    }
  });

  test("may give a uuid to another GPU that the first one loses in it", () => {
    using store = new TestStore();
    store.register(A, "gpu-0", "GPU-0");
    store.write((transaction) => {
      transaction.unregister(A, "gpu-0");
      registering("gpu-1", "GPU-0")(transaction);
    });
    expect(store.names()).toEqual(["gpu-1"]);
    expect(() => store.register(A, "gpu-0", "GPU-0")).toThrow("known as gpu-1");
  });

  test("sees its own drafts", () => {
    using store = new TestStore();
    store.write((transaction) => {
      expect(transaction.has("gpu-0")).toBe(false);
      registering("gpu-0", "GPU-0")(transaction);
      expect(transaction.has("GPU-0")).toBe(true);
      expect(() => registering("gpu-1", "GPU-0")(transaction)).toThrow("known as gpu-0");
      transaction.unregister(A, "gpu-0");
      expect(transaction.has("gpu-0")).toBe(false);
    });
  });

  test("is closed once it is over, whether it succeeded or not", () => {
    using store = new TestStore();
    const kept: Transaction[] = [];
    store.write((transaction) => void kept.push(transaction));
    const failing = () =>
      store.store.write(UNBOUNDED, (transaction) => {
        kept.push(transaction);
        throw new Error("broken");
      });
    expect(failing).toThrow("broken");
    for (const transaction of kept) {
      expect(codeOf(() => registering("gpu-0", "")(transaction))).toBe("ABORTED");
      expect(codeOf(() => transaction.heartbeat(A))).toBe("ABORTED");
      expect(codeOf(() => transaction.unregister(A, "gpu-0"))).toBe("ABORTED");
    }
    expect(store.names()).toEqual([]);
  });
});
