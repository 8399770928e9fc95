import { FabricState, fabricFaults } from "../driver-words.ts";
import { byReading, Gravity } from "../fault.ts";
import { type Level, level, type Rule } from "./rule.ts";

/** Registration with the NVLink fabric, and what the fabric manager says of the way to it. */
export const fabricRule: Rule = {
  condition: "FabricHealthy",
  calls: /FabricInfo/,
  good: { reason: "FabricRegistered", message: () => "registered with the fabric" },
  applies: ({ sample: { fabric } }) => fabric !== undefined && fabric.state !== FabricState.NotSupported,
  levels({ sample: { fabric }, fabricCompleted, thresholds }) {
    if (fabric === undefined || fabric.state === FabricState.NotSupported) return [];
    const quietMs = thresholds.fabricQuietMs;
    const completed = fabric.state === FabricState.Completed;
    const faults = fabricFaults(fabric.healthMask);
    return [
      fabricLevel("fabric-state", fabricCompleted && !completed, "FabricStateLost", quietMs, () => [
        "the GPU was registered with the fabric and is no longer",
        "the GPU registered again",
      ]),
      fabricLevel("fabric-status", completed && fabric.status !== 0, "FabricRegistrationFailed", quietMs, () => [
        `registration with the fabric failed (NVML return ${fabric.status})`,
        "a registration that succeeded",
      ]),
      fabricLevel("fabric-health", faults.length > 0, "FabricDegraded", quietMs, () => [
        `the fabric reports: ${faults.join(", ")}`,
        "a healthy fabric",
      ]),
    ];
  },
  edges: () => [],
  doubt({ sample: { fabric }, fabricCompleted }) {
    if (fabric === undefined || fabricCompleted || fabric.state === FabricState.Completed) return undefined;
    return { reason: "FabricRegistering", message: "the GPU has not been registered with the fabric yet" };
  },
};

function fabricLevel(
  key: string,
  bad: boolean,
  reason: string,
  quietMs: number,
  texts: () => readonly [detail: string, good: string],
): Level {
  return level(key, bad, () => {
    const [detail, good] = texts();
    const clearings = byReading(good, quietMs);
    return { reason, detail, short: reason, gravity: Gravity.reset, action: "", clearings };
  });
}
