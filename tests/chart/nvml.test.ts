import { describe, expect, test } from "bun:test";
import { at, hasHelm, renderPod, renderServer } from "./helm.ts";

/** How the pod reaches the GPUs where NVML is on. */

describe.skipIf(!hasHelm)("with NVML", () => {
  const NVML = { "nvml.enabled": true };
  const variables = async (values: object) => {
    const found = at(await renderServer({ ...NVML, ...values }), "env") as readonly { name: string }[];
    return found.map(({ name }) => name).filter((name) => name.startsWith("NVIDIA_") && !name.endsWith("_TARGET"));
  };

  test("the pod has the nvidia runtime class, and sees all GPUs with the right to ask them", async () => {
    const pod = await renderPod(NVML);
    expect(at(pod, "runtimeClassName")).toBe("nvidia");
    const variables = { NVIDIA_VISIBLE_DEVICES: "all", NVIDIA_DRIVER_CAPABILITIES: "utility" };
    for (const [name, value] of Object.entries(variables)) {
      expect(at(pod, "containers.0.env")).toEqual(expect.arrayContaining([{ name, value }]));
    }
  });

  test("a mounted driver root takes the place of the runtime class", async () => {
    const pod = await renderPod({ ...NVML, "nvml.hostDriverRoot": "/" });
    expect(at(pod, "runtimeClassName")).toBeUndefined();
    const mount = { name: "driver-root", mountPath: "/run/nvidia/driver", readOnly: true };
    expect(at(pod, "containers.0.volumeMounts.2")).toEqual({ ...mount, mountPropagation: "HostToContainer" });
    expect(at(pod, "volumes.2")).toEqual({
      name: "driver-root",
      hostPath: { path: "/", type: "DirectoryOrCreate" },
    });
    expect(await variables({ "nvml.hostDriverRoot": "/" })).toEqual([]);
  });

  test.each([
    [[13, 1_000_000], "13,1000000"],
    ["13, 31", "13, 31"],
    [1_000_000, "1000000"],
    ["", ""],
  ])("Xids to ignore are a list, a text or a number: %p", async (xids, flag) => {
    const args = at(await renderServer({ ...NVML, "nvml.additionalIgnoredXids": xids }), "args");
    expect(args).toContain(`--nvml-ignored-xids=${flag}`);
  });

  test.each([
    ["", "nvidia"],
    ["other", "other"],
    ["none", undefined],
  ])("the runtime class %p makes %p", async (runtimeClassName, expected) => {
    expect(at(await renderPod({ ...NVML, runtimeClassName }), "runtimeClassName")).toBe(expected);
  });
});
