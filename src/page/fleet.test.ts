import { beforeEach, describe, expect, test } from "bun:test";
import { type Filter, Fleet } from "./fleet.ts";
import type { Gpu } from "./types.ts";

function gpu(name: string, ready?: "True" | "False" | "Unknown", over: { reason?: string; action?: string } = {}): Gpu {
  const conditions =
    ready === undefined ? [] : [{ type: "Ready", status: ready, reason: over.reason ?? "", message: "" }];
  return {
    metadata: { name, resourceVersion: "1" },
    spec: { uuid: `GPU-${name}-uuid` },
    status: { conditions, recommendedAction: over.action ?? "" },
  };
}

const ALL: Filter = { health: "all", text: "" };

let fleet: Fleet;

function snapshot(...gpus: readonly Gpu[]) {
  fleet.beginSnapshot();
  for (const each of gpus) fleet.apply("ADDED", each);
  return fleet.endSnapshot();
}

const names = (filter: Partial<Filter> = {}) =>
  fleet.select({ ...ALL, ...filter }).map(({ metadata }) => metadata.name);

beforeEach(() => {
  fleet = new Fleet();
});

describe("the fleet", () => {
  test("shows what is not well first, and then goes by name", () => {
    snapshot(gpu("gpu-10", "True"), gpu("gpu-2", "True"), gpu("gpu-7"), gpu("gpu-9", "Unknown"), gpu("gpu-8", "False"));
    expect(names()).toEqual(["gpu-8", "gpu-7", "gpu-9", "gpu-2", "gpu-10"]);
    expect(fleet.counts()).toEqual({ unhealthy: 1, unknown: 2, healthy: 2 });
  });

  test("counts a snapshot only once it is complete, and forgets one that is cut off", () => {
    snapshot(gpu("gpu-0", "True"));
    fleet.beginSnapshot();
    fleet.apply("ADDED", gpu("gpu-1", "True"));
    expect(names()).toEqual(["gpu-0"]);
    snapshot(gpu("gpu-2", "True"));
    expect(names()).toEqual(["gpu-2"]);
  });

  test("is not known before the first snapshot, and is then even where it is empty", () => {
    expect(fleet.synced).toBe(false);
    snapshot();
    expect([fleet.synced, fleet.size]).toEqual([true, 0]);
  });

  test("follows each change, in any case of letters", () => {
    snapshot(gpu("gpu-0", "True"), gpu("gpu-1", "True"));
    fleet.apply("MODIFIED", gpu("GPU-0", "False"));
    fleet.apply("DELETED", gpu("gpu-1", "True"));
    fleet.apply("ADDED", gpu("gpu-2", "True"));
    expect(names()).toEqual(["GPU-0", "gpu-2"]);
  });

  test("tells who turned, by a change or over a break, and nothing of the first snapshot", () => {
    expect(snapshot(gpu("gpu-0", "True"), gpu("gpu-1", "False"))).toEqual([]);
    expect(fleet.apply("MODIFIED", gpu("gpu-0", "True"))).toEqual([]);
    expect(fleet.apply("MODIFIED", gpu("gpu-0", "False"))).toMatchObject([{ health: "unhealthy" }]);
    expect(fleet.apply("ADDED", gpu("gpu-2", "False"))).toEqual([]);
    expect(fleet.apply("DELETED", gpu("gpu-2", "False"))).toEqual([]);
    expect(snapshot(gpu("gpu-0", "True"), gpu("gpu-1", "False"))).toMatchObject([{ health: "healthy" }]);
  });
});

describe("a filter", () => {
  beforeEach(() => {
    snapshot(
      gpu("gpu-0", "False", { reason: "XidError", action: "RESTART_BM" }),
      gpu("gpu-1", "True", { reason: "Initialized" }),
      gpu("gpu-2"),
    );
  });

  test.each([
    [{ health: "unhealthy" }, ["gpu-0"]],
    [{ health: "unknown" }, ["gpu-2"]],
    [{ text: "xiderror" }, ["gpu-0"]],
    [{ text: "restart_bm" }, ["gpu-0"]],
    [{ text: "GPU-gpu-1-UUID" }, ["gpu-1"]],
    [{ text: "  gpu   initialized " }, ["gpu-1"]],
    [{ text: "xiderror initialized" }, []],
    [{ text: "ready" }, ["gpu-0", "gpu-1"]],
    [{ health: "healthy", text: "gpu-0" }, []],
  ] as const)("%p gives %p", (filter, found) => {
    expect(names(filter)).toEqual([...found]);
  });
});
