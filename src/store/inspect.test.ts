import { describe, expect, test } from "bun:test";
import { UNBOUNDED } from "../base/cancel-scope.ts";
import { atOnce, condition, LEASE_MS, peer, TestStore } from "../testing/test-store.ts";
import type { StoreView } from "./store.ts";
import type { Writer } from "./types.ts";

const A = peer(1, "a");
const B = peer(2, "b10");
const C = peer(2, "b9");
const NVML: Writer = { kind: "builtin", id: "nvml-provider" };

const read = <T>(store: TestStore, section: (view: StoreView) => T): T => atOnce(store.store.read(UNBOUNDED, section));

describe("the providers", () => {
  test("stand with the server's own first, then by id, each with what stands under its id", () => {
    using store = new TestStore();
    store.heartbeat(B);
    store.register(A, "gpu-0");
    store.register(A, "gpu-1");
    store.report(C, "gpu-0", condition("XidError", "True"), condition("PcieFault", "False"));
    store.report(A, "gpu-0", condition("Memory", "True"), condition("Fan", "Unknown"));
    store.register(NVML, "gpu-1");
    const summaries = read(store, (view) => view.providers());
    expect(summaries.map(({ provider, gpus, conditions, bad }) => [provider.id, gpus, conditions, bad])).toEqual([
      ["nvml-provider", 1, 0, 0],
      ["a", 2, 2, 0],
      ["b9", 1, 2, 1],
      ["b10", 0, 0, 0],
    ]);
  });

  test("tell when they last wrote and sent a heartbeat, and what is left of their lease", () => {
    using store = new TestStore();
    const startMs = store.time.monotonicMs();
    store.register(NVML, "gpu-0");
    store.heartbeat(A);
    store.pass(7_000);
    store.register(A, "gpu-0");
    store.pass(2_000);
    const summary = () => read(store, (view) => view.providers());
    const [nvml, a] = summary();
    expect(nvml).toMatchObject({ leaseRemainingMs: undefined, provider: { lastWriteMs: startMs } });
    const provider = { lastHeartbeatMs: startMs, lastWriteMs: startMs + 7_000 };
    expect(a).toMatchObject({ leaseRemainingMs: LEASE_MS - 2_000, provider });
    store.pass(LEASE_MS);
    expect(summary()[1]).toMatchObject({
      leaseRemainingMs: undefined,
      provider: { ...provider, lease: { kind: "lost" } },
    });
  });
});

describe("the faults of a GPU", () => {
  test("are what is bad by either polarity, of every provider, also where a report hides another", () => {
    using store = new TestStore();
    store.register(A, "gpu-0");
    store.report(A, "gpu-0", condition("Memory", "False"), condition("Fan", "True"), condition("Link", "Unknown"));
    store.report(B, "gpu-0", condition("Memory", "False"), condition("XidError", "True"));
    const faults = read(store, (view) => view.faults("GPU-0"));
    expect(faults?.map(({ provider, report }) => `${provider.id} ${report.type}`)).toEqual([
      "a Memory",
      "b10 Memory",
      "b10 XidError",
    ]);
    expect(read(store, (view) => view.faults("gpu-1"))).toBeUndefined();
  });
});
