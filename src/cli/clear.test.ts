import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { ClearFaultsResponseSchema } from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { describeCleared, describeNothing } from "./clear.ts";

const ready = (status: string, reason: string) => ({
  metadata: { name: "gpu-0" },
  status: { conditions: [{ type: "Ready", status, reason }] },
  resourceVersion: 7n,
});
const fault = (type: string, reason: string, providerId: string) => ({ type, reason, providerId, message: "" });

test("what was cleared, what is left and how the GPU is now are a line each, whatever their words hold", () => {
  const reply = create(ClearFaultsResponseSchema, {
    cleared: [fault("NVMLReady", "XidError", "nvml-provider")],
    remaining: [fault("Memory", "a\nb", "monitor")],
    gpu: ready("False", "Dbe"),
  });
  expect(describeCleared(reply)).toBe(
    [
      "gpu-0: cleared NVMLReady, which was XidError",
      "gpu-0: Memory is still a\\nb, says provider monitor",
      "gpu-0: Ready is False (Dbe) (version 7); the next bad reading raises a fault again",
      "",
    ].join("\n"),
  );
});

test("nothing to clear says what the GPU has instead", () => {
  const well = create(ClearFaultsResponseSchema, { gpu: ready("Unknown", "DriverUnresponsive") });
  expect(describeNothing(well, "")).toBe("nothing to clear: gpu-0 has no fault; Ready is Unknown (DriverUnresponsive)");
  const remaining = [fault("Memory", "Dbe", "nvml-provider"), fault("NVMLReady", "XidError", "nvml-provider")];
  const bad = create(ClearFaultsResponseSchema, { remaining, gpu: ready("False", "XidError") });
  expect(describeNothing(bad, "Fan")).toBe(
    'nothing to clear: gpu-0 has no fault of type "Fan"; it has Memory (Dbe), NVMLReady (XidError); ' +
      "Ready is False (XidError)",
  );
  expect(describeNothing(bad, "")).toBe(
    "nothing was cleared: gpu-0 has Memory (Dbe), NVMLReady (XidError); a fault of a whole GPU ends there, " +
      "not on a MIG instance",
  );
  const silent = create(ClearFaultsResponseSchema, { gpu: { metadata: { name: "gpu-0" } } });
  expect(describeNothing(silent, "")).toBe("nothing to clear: gpu-0 has no fault; nobody has reported on it");
});
