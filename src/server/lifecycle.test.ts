import { describe, expect, test } from "bun:test";
import { isServing, livez, readyz } from "./health.ts";
import { createLifecycle, type Lifecycle, type LifecycleEvent, stepLifecycle } from "./lifecycle.ts";

const STATES: Readonly<Record<Lifecycle["phase"], Lifecycle>> = {
  starting: { phase: "starting" },
  serving: { phase: "serving" },
  draining: { phase: "draining", reason: "SIGTERM" },
  stopped: { phase: "stopped", reason: "SIGTERM" },
};
const EVENTS: Readonly<Record<LifecycleEvent["type"], LifecycleEvent>> = {
  started: { type: "started" },
  stop: { type: "stop", reason: "SIGINT" },
  drained: { type: "drained" },
};

/** The whole table: what follows on what. */
const STEPS: Readonly<Record<Lifecycle["phase"], Readonly<Record<LifecycleEvent["type"], Lifecycle["phase"]>>>> = {
  starting: { started: "serving", stop: "draining", drained: "starting" },
  serving: { started: "serving", stop: "draining", drained: "serving" },
  draining: { started: "draining", stop: "draining", drained: "stopped" },
  stopped: { started: "stopped", stop: "stopped", drained: "stopped" },
};

const cells = Object.values(STATES).flatMap((state) =>
  Object.values(EVENTS).map((event) => [state.phase, event.type] as const),
);

test.each(cells)("a server that is %s takes the event %s as the table says", (phase, type) => {
  expect(stepLifecycle(STATES[phase], EVENTS[type]).phase).toBe(STEPS[phase][type]);
});

test("the reason of the first stop is kept to the end", () => {
  const lifecycle = createLifecycle();
  lifecycle.send({ type: "started" });
  lifecycle.send({ type: "stop", reason: "SIGTERM" });
  lifecycle.send({ type: "stop", reason: "SIGINT" });
  lifecycle.send({ type: "drained" });
  expect(lifecycle.state).toEqual({ phase: "stopped", reason: "SIGTERM" });
});

test("listeners hear of each move once, and of nothing that moved nothing", () => {
  const lifecycle = createLifecycle();
  const heard: string[] = [];
  lifecycle.onChange((state) => heard.push(state.phase));
  for (const type of ["drained", "started", "started", "stop", "stop", "drained", "drained"] as const) {
    lifecycle.send(EVENTS[type]);
  }
  expect(heard).toEqual(["serving", "draining", "stopped"]);
});

describe("health", () => {
  test.each([
    ["starting", true, false],
    ["serving", true, true],
    ["draining", true, false],
    ["stopped", false, false],
  ] as const)("while %s: live %p, ready %p", (phase, live, ready) => {
    const state = STATES[phase];
    expect([livez(state).ok, readyz(state).ok, isServing(state)]).toEqual([live, ready, ready]);
  });

  test("a server that is not ready names its state", () => {
    expect(readyz(STATES.draining).checks[0]).toEqual({
      name: "lifecycle",
      ok: false,
      reason: "draining: SIGTERM",
    });
  });
});
