import { describe, expect, test } from "bun:test";
import { at, hasHelm, renderServer, template } from "./helm.ts";

/** The environment of the server's container: what the chart sets, and what a values file sets. */

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: object;
}

const NVML = { "nvml.enabled": true };

async function variables(env: readonly Variable[]): Promise<readonly Variable[]> {
  return at(await renderServer({ ...NVML, env }), "env") as readonly Variable[];
}

describe.skipIf(!hasHelm)("env", () => {
  test("has the chart's own", async () => {
    expect(await variables([])).toEqual([
      { name: "BUN_OPTIONS", value: "" },
      { name: "BUN_BE_BUN", value: "" },
      { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
      { name: "NVIDIA_DEVICE_API_TARGET", value: "unix:///var/run/device-api/device.sock" },
      { name: "NVIDIA_VISIBLE_DEVICES", value: "all" },
      { name: "NVIDIA_DRIVER_CAPABILITIES", value: "utility" },
    ]);
  });

  test.each([["NODE_NAME"], ["NVIDIA_DEVICE_API_TARGET"], ["NVIDIA_VISIBLE_DEVICES"], ["NVIDIA_DRIVER_CAPABILITIES"]])(
    "a %s of the values file takes the place of the chart's: an API server refuses two of a name",
    async (name) => {
      const own = await variables([]);
      const given = { name, value: "other" };
      expect(await variables([given])).toEqual([...own.filter((variable) => variable.name !== name), given]);
    },
  );

  test("a name that is there twice is refused", async () => {
    const { ok, err } = await template({
      env: [
        { name: "A", value: "1" },
        { name: "A", value: "2" },
      ],
    });
    expect([ok, err]).toEqual([false, expect.stringContaining("env: A is there twice")]);
  });
});
