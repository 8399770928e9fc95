import { describe, expect, test } from "bun:test";
import { GpuPlay } from "../../testing/nvml-play.ts";
import { allXids } from "./xids/catalogue.ts";

describe("an Xid", () => {
  test("makes its GPU unhealthy exactly where the catalogue says so, with the catalogue's advice", () => {
    for (const { code, effect, action, mnemonic } of allXids()) {
      const gpu = new GpuPlay().xid(code);
      if (effect === "unhealthy") {
        expect([code, gpu.state("NVMLReady")]).toEqual([code, code === 79 ? "False/GPULost" : "False/XidError"]);
        expect([code, gpu.action]).toEqual([code, action]);
        expect(gpu.message("NVMLReady")).toStartWith(`Xid ${code} ${mnemonic} (`);
      } else {
        expect([code, gpu.state("NVMLReady")]).toEqual([code, "True/Initialized"]);
      }
    }
  });

  test("without a bucket counts where the driver asks for something, or has no verdict", () => {
    for (const { code } of allXids().filter(({ effect }) => effect === "verdict")) {
      expect([code, new GpuPlay({ recoveryAction: undefined }).xid(code).state("NVMLReady")]).toEqual([
        code,
        "False/XidError",
      ]);
    }
    expect(new GpuPlay({ recoveryAction: 0 }).xid(4_711).state("NVMLReady")).toStartWith("True/");
    expect(new GpuPlay({ recoveryAction: undefined }).xid(4_711).message("NVMLReady")).toStartWith("Xid 4711 UNKNOWN");
    expect(new GpuPlay({ recoveryAction: 1 }).xid(4_711).message("NVMLReady")).toContain("Xid 4711");
  });

  test("codes outside the catalogue share one fault, however many there are", () => {
    const gpu = new GpuPlay({ recoveryAction: undefined });
    for (let code = 1_000; code < 2_000; code++) gpu.xid(code);
    expect(gpu.health.faults.size).toBe(1);
    expect(gpu.message("NVMLReady")).toStartWith("Xid 1999 ");
  });

  test("that is ignored has no effect", () => {
    const gpu = new GpuPlay();
    gpu.ignoredXids.add(119);
    expect(gpu.xid(119).state("NVMLReady")).toBe("True/Initialized");
    expect(gpu.xid(120).state("NVMLReady")).toBe("False/XidError");
  });

  test("names the MIG instance where MIG is on, and none where it is off", () => {
    const place = { gpuInstance: 3, computeInstance: 0 };
    const on = new GpuPlay({ mig: { current: 1, pending: 1 } }).xid(119, place);
    expect(on.message("NVMLReady")).toContain("at 00000000:A1:00.0, MIG GPU instance 3, compute instance 0");
    expect(new GpuPlay().xid(119, { gpuInstance: 0, computeInstance: 0 }).message("NVMLReady")).not.toContain("MIG");
  });

  test("that is milder stands beside a graver one and is named in its message", () => {
    const gpu = new GpuPlay().xid(79).xid(119).xid(48);
    expect(gpu.message("NVMLReady")).toStartWith("Xid 79 ");
    expect(gpu.message("NVMLReady")).toContain("; also open: Xid 48, Xid 119; cleared by: ");
    expect(gpu.action).toBe("RESTART_BM");
  });

  test("that comes again after the driver asked for a reset needs a verdict of its own", () => {
    const gpu = new GpuPlay().xid(119).read({ recoveryAction: 1 });
    gpu.xid(119);
    gpu.reads = { ...gpu.reads, recoveryAction: 0 };
    expect(gpu.round().state("NVMLReady")).toBe("False/XidError");
  });

  test("is not ended by a reading from before it", () => {
    const gpu = new GpuPlay({ recoveryAction: 1 });
    const eventMs = gpu.nowMs + 2_000;
    gpu.xid(119, { monoNs: BigInt(eventMs) * 1_000_000n });
    expect(gpu.round().read({ recoveryAction: 0 }).state("NVMLReady")).toBe("False/XidError");
  });

  test("does not promise the driver's verdict where the driver has none", () => {
    expect(new GpuPlay({ recoveryAction: undefined }).xid(119).message("NVMLReady")).not.toContain("verdict");
    expect(new GpuPlay().xid(119).message("NVMLReady")).toContain("verdict");
  });
});

describe("advice", () => {
  test("is the driver's before it is the catalogue's", () => {
    const gpu = new GpuPlay().xid(119);
    expect(gpu.action).toBe("COMPONENT_RESET");
    expect(gpu.read({ recoveryAction: 7 }).action).toBe("RESTART_BM");
    expect(new GpuPlay().xid(54).read({ recoveryAction: 1 }).action).toBe("COMPONENT_RESET");
  });

  test("has a word for every verdict of the driver", () => {
    const words = [1, 2, 3, 4, 5, 6, 7].map((recoveryAction) => new GpuPlay({ recoveryAction }).action);
    const reset = "COMPONENT_RESET";
    expect(words).toEqual([reset, "RESTART_BM", reset, reset, reset, reset, "RESTART_BM"]);
    const gpu = new GpuPlay({ recoveryAction: 5 });
    expect(gpu.message("NVMLReady")).toStartWith("the driver asks for RECOVER_IMEX_DOMAIN");
  });

  test("of a lost GPU does not come from what it read before", () => {
    expect(new GpuPlay({ recoveryAction: 1 }).read({ lost: true }).action).toBe("RESTART_BM");
  });

  test("is none for a verdict that only a newer driver knows", () => {
    const gpu = new GpuPlay({ recoveryAction: 99 });
    expect(gpu.state("NVMLReady")).toBe("False/RecoveryRequired");
    expect(gpu.action).toBe("");
  });
});

describe("an event that named no GPU", () => {
  test("says so in reason and message", () => {
    const gpu = new GpuPlay().xid(119, {}, 8);
    expect(gpu.state("NVMLReady")).toBe("False/XidErrorUnattributed");
    expect(gpu.message("NVMLReady")).toContain("the event named no GPU, so it is put on all 8 that it can mean");
    expect(new GpuPlay().xid(119, {}, 1).message("NVMLReady")).toContain("the only one it can mean");
  });

  test("is taken off a GPU for which the driver asks nothing for a minute", () => {
    const gpu = new GpuPlay().xid(119, {}, 8);
    expect(gpu.message("NVMLReady")).toContain("when it reads NONE for 60 s (it meant another GPU)");
    expect(gpu.round(59_000).state("NVMLReady")).toBe("False/XidErrorUnattributed");
    expect(gpu.round(1_500).state("NVMLReady")).toBe("True/Initialized");
  });

  test("stays on a GPU for which the driver asks for a reset, until it no longer does", () => {
    const gpu = new GpuPlay().xid(119, {}, 8).round(50_000).read({ recoveryAction: 1 }).round(120_000);
    expect(gpu.condition("NVMLReady")?.status).toBe("False");
    expect(gpu.read({ recoveryAction: 0 }).state("NVMLReady")).toBe("True/Initialized");
  });

  test("does not end the fault that its Xid cancels", () => {
    const gpu = new GpuPlay({ recoveryAction: undefined }).xid(163).xid(162, {}, 8);
    expect(gpu.condition("NVMLReady")?.status).toBe("False");
  });
});
