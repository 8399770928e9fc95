import { beforeEach, describe, expect, test } from "bun:test";
import { allXids } from "../nvml/xids/catalogue.ts";
import type { GpuReport } from "../provider.ts";
import { SimulatedProvider } from "./simulated-provider.ts";

let published: GpuReport[] = [];
let provider: SimulatedProvider;

beforeEach(async () => {
  published = [];
  provider = new SimulatedProvider(2);
  await provider.start({
    async publish(reports) {
      published.push(...reports);
      return new Map(reports.map(({ name }) => [name, published.length]));
    },
    withdraw: async () => {},
  });
});

describe("the simulated provider", () => {
  test("publishes every GPU as well when it starts", () => {
    expect(published.map(({ name, status }) => [name, status.conditions[0]?.status, status.action])).toEqual([
      ["gpu-0", "True", ""],
      ["gpu-1", "True", ""],
    ]);
  });

  test("plays an Xid with the catalogue's words and advice, and heals it", async () => {
    expect(await provider.breakGpu("GPU-1", 79)).toBe(3);
    const { name, status } = published[2] ?? expect.unreachable();
    expect([name, status.action]).toEqual(["gpu-1", "RESTART_BM"]);
    expect(status.conditions[0]).toMatchObject({ type: "NVMLReady", status: "False", reason: "XidError" });
    expect(status.conditions[0]?.message).toBe(
      "Xid 79 (ROBUST_CHANNEL_GPU_HAS_FALLEN_OFF_THE_BUS): GPU has fallen off the bus (simulated); " +
        "advice: RESTART_BM; cleared by: simulate heal gpu-1",
    );
    await provider.healGpu("gpu-1");
    expect(published[3]?.status.conditions[0]?.status).toBe("True");
  });

  test("heals a GPU at an operator's word, once, and not for another condition", async () => {
    await provider.breakGpu("gpu-1", 79);
    expect(await provider.clear("gpu-1", "MemoryHealthy")).toEqual([]);
    expect(await provider.clear("gpu-0", undefined)).toEqual([]);
    expect(await provider.clear("GPU-1", "NVMLReady")).toMatchObject([{ type: "NVMLReady", reason: "XidError" }]);
    expect(published.at(-1)).toMatchObject({ name: "gpu-1", status: { conditions: [{ status: "True" }] } });
    expect(await provider.clear("gpu-1", undefined)).toEqual([]);
    expect(await provider.clear("gpu-9", undefined)).toEqual([]);
  });

  test("plays every Xid of the catalogue that can make a GPU unhealthy, and refuses every other", async () => {
    for (const { code, effect } of allXids()) {
      const outcome = await provider.breakGpu("gpu-0", code).then(
        () => "played",
        (error: Error) => error.message,
      );
      expect([code, outcome]).toEqual([
        code,
        effect === "none" ? expect.stringContaining(`device-api-server explain ${code}`) : "played",
      ]);
    }
  });

  test("plays a code that the catalogue does not have: no driver says that it is harmless", async () => {
    await provider.breakGpu("gpu-0", 999);
    expect(published.at(-1)?.status).toMatchObject({ action: "NONE", conditions: [{ status: "False" }] });
  });

  test("says why it refuses an Xid", async () => {
    await expect(provider.breakGpu("gpu-0", 63)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message:
        "xid: 63 (INFOROM_DRAM_RETIREMENT_EVENT) leaves a GPU healthy, so it breaks nothing: " +
        '"device-api-server explain 63" tells more, and --all has the others',
    });
    expect(published).toHaveLength(2);
  });

  test("does not know a GPU that it does not simulate", async () => {
    await expect(provider.breakGpu("gpu-2", 79)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(provider.healGpu("gpu-2")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
