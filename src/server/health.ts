import { unreachable } from "../base/assert.ts";
import type { HealthReport } from "../transport/http-endpoints.ts";
import type { Lifecycle } from "./lifecycle.ts";

/** Whether a restart would not help: true until the server has stopped. A wedged process does not answer at all. */
export function livez(state: Lifecycle): HealthReport {
  const stopped = state.phase === "stopped";
  return report([{ name: "process", ok: !stopped, reason: stopped ? `stopped: ${state.reason}` : "running" }]);
}

/** Whether consumers should come: only while the server serves. */
export function readyz(state: Lifecycle): HealthReport {
  return report([{ name: "lifecycle", ok: isServing(state), reason: describe(state) }]);
}

/** What grpc.health.v1 answers for every service. */
export function isServing(state: Lifecycle): boolean {
  return state.phase === "serving";
}

function describe(state: Lifecycle): string {
  switch (state.phase) {
    case "starting":
      return "starting";
    case "serving":
      return "serving";
    case "draining":
      return `draining: ${state.reason}`;
    case "stopped":
      return `stopped: ${state.reason}`;
    default:
      return unreachable(state);
  }
}

function report(checks: HealthReport["checks"]): HealthReport {
  return { ok: checks.every(({ ok }) => ok), checks };
}
