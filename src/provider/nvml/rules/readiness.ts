import { recoveryActionOf } from "../driver-words.ts";
import { byReading, type FaultDraft, Gravity } from "../fault.ts";
import type { GpuSample } from "../sample.ts";
import { level, type Rule } from "./rule.ts";

export const NVML_READY = "NVMLReady";
export const GPU_LOST = "GPULost";
export const LOST_KEY = "lost";
export const MISSING_KEY = "missing";

/** NVMLReady by the driver's own verdict; loss and Xids come to it from elsewhere. */
export const readinessRule: Rule = {
  condition: NVML_READY,
  // What every GPU has. Field 230 is an extra: a GPU without it that answers is ready all the same.
  calls: /DeviceGetTemperature$/,
  good: { reason: "Initialized", message: describe },
  applies: () => true,
  levels({ sample: { recoveryAction } }) {
    if (recoveryAction === undefined) return [];
    return [
      level("verdict", recoveryAction !== 0, () => {
        const { word, action } = recoveryActionOf(recoveryAction);
        return {
          reason: "RecoveryRequired",
          detail: `the driver asks for ${word}`,
          short: `the driver asks for ${word}`,
          gravity: action === "RESTART_BM" ? Gravity.reboot : Gravity.verdict,
          action,
          clearings: byReading("the driver's verdict when it reads NONE", 0),
        };
      }),
    ];
  },
  edges: () => [],
};

export const lostFault: FaultDraft = {
  key: LOST_KEY,
  condition: NVML_READY,
  reason: GPU_LOST,
  detail: "the driver says that the GPU is lost (NVML_ERROR_GPU_IS_LOST)",
  short: "GPU is lost",
  gravity: Gravity.lost,
  // What the catalogue advises for Xid 79, the same event in the kernel's log.
  action: "RESTART_BM",
  clearings: [{ kind: "return" }],
};

export const missingFault: FaultDraft = {
  ...lostFault,
  key: MISSING_KEY,
  detail: "the driver no longer enumerates the GPU",
  short: "not enumerated",
};

/** Without the index: it moves between boots. */
function describe({ product, busId, mig }: GpuSample): string {
  const place = `${product} at ${busId}`;
  if (mig === undefined || (mig.current !== 1 && mig.pending !== 1)) return place;
  const word = (mode: number) => (mode === 1 ? "enabled" : "disabled");
  const pending = mig.pending === mig.current ? "" : `, ${word(mig.pending)} after the next reset`;
  return `${place}, MIG ${word(mig.current)}${pending}`;
}
