import { describe, expect, test } from "bun:test";
import { roundOf, wellSample, xidEvent } from "../../testing/nvml-script.ts";
import { FLEET_MAX, Fleet, OTHER_XIDS } from "./fleet.ts";
import type { GpuSample } from "./sample.ts";
import { DEFAULT_THRESHOLDS } from "./thresholds.ts";

const THRESHOLDS = { ...DEFAULT_THRESHOLDS, goneMs: 1_000 };
const uuids = (count: number) => Array.from({ length: count }, (_, i) => `GPU-${String(i).padStart(2, "0")}`);

function setUp(count: number, changes: (uuid: string) => Partial<GpuSample> = () => ({})) {
  const fleet = new Fleet({ thresholds: THRESHOLDS, ignoredXids: new Set() });
  let nowMs = 0;
  const round = (named: readonly string[], more: (uuid: string) => Partial<GpuSample> = changes) => {
    nowMs += 500;
    fleet.onRound(
      roundOf(
        nowMs,
        named.map((uuid) => wellSample(uuid, nowMs, more(uuid))),
      ),
    );
  };
  const event = (code: number, uuid: string | undefined) => fleet.onEvent(xidEvent(code, uuid, ++nowMs));
  const faultsOf = (uuid: string) => [...(fleet.gpus.get(uuid)?.health.faults.keys() ?? ["gone"])];
  round(uuids(count));
  return { fleet, round, event, faultsOf };
}

describe("GPUs that come and go", () => {
  test("one that is not enumerated is lost, and after a while it is gone", () => {
    const { round, fleet, faultsOf } = setUp(2);
    for (let i = 0; i < 2; i++) {
      round(["GPU-00"]);
      expect(faultsOf("GPU-01")).toEqual(["missing"]);
    }
    round(["GPU-00"]);
    expect([...fleet.gpus.keys()]).toEqual(["GPU-00"]);
    round(["GPU-00", "GPU-01"]);
    expect(faultsOf("GPU-01")).toEqual([]);
  });

  test("one that comes back in time is well, and counts from the beginning when it goes again", () => {
    const { round, faultsOf } = setUp(2);
    for (let i = 0; i < 5; i++) {
      round(["GPU-00"]);
      round(["GPU-00"]);
      expect(faultsOf("GPU-01")).toEqual(["missing"]);
      round(["GPU-00", "GPU-01"]);
      expect(faultsOf("GPU-01")).toEqual([]);
    }
  });

  test("one that the driver called lost before stays, however long it is away, until somebody clears it", () => {
    const { round, fleet, faultsOf } = setUp(2);
    round(uuids(2), (uuid) => ({ lost: uuid === "GPU-01" }));
    for (let i = 0; i < 20; i++) round(["GPU-00"]);
    expect(faultsOf("GPU-01")).toEqual(["lost", "missing"]);
    expect(fleet.clear("GPU-01", undefined)).toBe(true);
    for (let i = 0; i < 3; i++) round(["GPU-00"]);
    expect(faultsOf("GPU-01")).toEqual(["gone"]);
    expect(fleet.clear("GPU-01", undefined)).toBe(false);
  });

  test("one that fell off the bus by Xid 79 stays as well", () => {
    const { round, event, faultsOf } = setUp(2);
    event(79, "GPU-01");
    for (let i = 0; i < 20; i++) round(["GPU-00"]);
    expect(faultsOf("GPU-01")).toEqual(["xid:79", "missing"]);
  });

  test("while another GPU is lost, the bus is not healthy and nothing is taken for removed", () => {
    const { round, faultsOf } = setUp(3);
    for (let i = 0; i < 20; i++) round(["GPU-00", "GPU-01"], (uuid) => ({ lost: uuid === "GPU-01" }));
    expect(faultsOf("GPU-02")).toEqual(["missing"]);
    for (let i = 0; i < 3; i++) round(["GPU-00", "GPU-01"]);
    expect(faultsOf("GPU-02")).toEqual(["gone"]);
  });

  test("absurd UUIDs make no GPU, and there is an end to how many there are", () => {
    const { round, fleet } = setUp(0);
    round(["", "GPU\n1", "-", "x".repeat(300)]);
    expect(fleet.gpus.size).toBe(0);
    const many = Array.from({ length: FLEET_MAX + 10 }, (_, i) => `GPU-${i}`);
    round([...many, ...many]);
    expect(fleet.gpus.size).toBe(FLEET_MAX);
    expect(fleet.leftOut).toBe(10);
    round(many.slice(0, FLEET_MAX));
    expect(fleet.leftOut).toBe(0);
  });

  test("those that come when there are many already have their place, up to the last", () => {
    const { round, fleet } = setUp(130);
    const many = Array.from({ length: FLEET_MAX }, (_, i) => `GPU-${String(i).padStart(2, "0")}`);
    for (const count of [140, FLEET_MAX]) {
      round(many.slice(0, count));
      expect(fleet.gpus.size).toBe(count);
      expect(fleet.leftOut).toBe(0);
    }
    round([...many, "GPU-one-more"]);
    expect(fleet.gpus.has("GPU-one-more")).toBe(false);
    expect(fleet.leftOut).toBe(1);
  });
});

describe("events", () => {
  test("are counted by GPU and code, and codes outside the catalogue together", () => {
    const { event, fleet } = setUp(2);
    for (const code of [13, 13, 119, 999, 70_000]) event(code, "GPU-01");
    const counted = new Map([
      [13, 2],
      [119, 1],
      [OTHER_XIDS, 2],
    ]);
    expect(fleet.gpus.get("GPU-01")?.xids).toEqual(counted);
    expect(fleet.gpus.get("GPU-00")?.xids.size).toBe(0);
  });

  test("without a GPU are put on all where nothing tells them apart", () => {
    const { event, fleet, faultsOf } = setUp(3);
    event(119, undefined);
    for (const uuid of uuids(3)) expect(faultsOf(uuid)).toEqual(["xid:119"]);
    expect(fleet.unattributed).toBe(1);
  });

  test("without a GPU are put on the one whose trouble they explain", () => {
    const lost = setUp(3);
    lost.round(uuids(3), (uuid) => ({ lost: uuid === "GPU-01" }));
    lost.event(79, undefined);
    expect(uuids(3).map(lost.faultsOf)).toEqual([[], ["lost", "xid:79"], []]);
    // What is explained already needs no second explanation.
    lost.event(119, undefined);
    expect(uuids(3).map(lost.faultsOf)).toEqual([["xid:119"], ["lost", "xid:79", "xid:119"], ["xid:119"]]);

    const asked = setUp(3, (uuid) => ({ recoveryAction: uuid === "GPU-02" ? 1 : 0 }));
    asked.event(119, undefined);
    expect(uuids(3).map(asked.faultsOf)).toEqual([[], [], ["verdict", "xid:119"]]);
  });

  test("without a GPU wait for the first round where no GPU is known yet", () => {
    const fleet = new Fleet({ thresholds: THRESHOLDS, ignoredXids: new Set() });
    for (let i = 0; i < 1_000; i++) fleet.onEvent(xidEvent(119, undefined, 100));
    fleet.onRound(roundOf(500, [wellSample("GPU-00", 500)]));
    expect([...(fleet.gpus.get("GPU-00")?.health.faults.keys() ?? [])]).toEqual(["xid:119"]);
  });

  test("on a GPU that no round has shown yet are kept", () => {
    const { event, faultsOf, round } = setUp(1);
    event(119, "GPU-07");
    expect(faultsOf("GPU-07")).toEqual(["xid:119"]);
    round(["GPU-00", "GPU-07"]);
    expect(faultsOf("GPU-07")).toEqual(["xid:119"]);
  });

  test("in a storm are counted exactly, and the last one is kept", () => {
    const { fleet, faultsOf } = setUp(8);
    for (let i = 0; i < 100_000; i++) fleet.onEvent(xidEvent(i % 2 === 0 ? 13 : 119, `GPU-0${i % 8}`, 1_000 + i));
    const counts = [...fleet.gpus.values()].flatMap(({ xids }) => [...xids.values()]);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(100_000);
    expect(faultsOf("GPU-01")).toEqual(["xid:119"]);
  });
});
