import { describe, expect, test } from "bun:test";
import { GpuPlay } from "../../testing/nvml-play.ts";
import { T4_LACKS } from "../../testing/nvml-script.ts";

const OK_ROWS = { corrected: 1, uncorrected: 1, pending: false, failed: false };
const OK_SRAM = { uncorrected: 0n, thresholdExceeded: false };

describe("what is reported", () => {
  test("a GPU that has everything has every condition, and all are good", () => {
    const gpu = new GpuPlay();
    const types = ["NVMLReady", "MemoryHealthy", "ThermalHealthy", "PowerHealthy", "NVLinkHealthy", "FabricHealthy"];
    expect(gpu.types).toEqual(types);
    for (const type of types) expect(gpu.state(type)).toStartWith("True/");
    expect(gpu.action).toBe("");
  });

  test("a condition that the hardware cannot have is not reported", () => {
    expect(new GpuPlay(T4_LACKS).types).toEqual(["NVMLReady", "ThermalHealthy", "PowerHealthy"]);
  });

  test("links that never were up have no partner and are no fault", () => {
    const nvLinks = [{ link: 0, active: false, errors: 0n }];
    expect(new GpuPlay({ nvLinks }).round(60_000).types).not.toContain("NVLinkHealthy");
  });

  test("a fabric that has never been complete is Unknown, one without support is not there", () => {
    expect(new GpuPlay({ fabric: { state: 2, status: 0, healthMask: 0 } }).state("FabricHealthy")).toBe(
      "Unknown/FabricRegistering",
    );
    expect(new GpuPlay({ fabric: { state: 0, status: 0, healthMask: 0 } }).types).not.toContain("FabricHealthy");
  });

  test("a reading that fails once says nothing, one that fails again makes its condition Unknown", () => {
    const gpu = new GpuPlay();
    const failures = [{ call: "nvmlDeviceGetTotalEccErrors", code: 999 }];
    const failed = { failures, eccVolatileUncorrected: undefined, remappedRows: undefined, sramEcc: undefined };
    expect(gpu.read(failed).state("MemoryHealthy")).toStartWith("True/");
    expect(gpu.round().state("MemoryHealthy")).toBe("Unknown/ReadingFailed");
    expect(gpu.message("MemoryHealthy")).toBe("nvmlDeviceGetTotalEccErrors fails with NVML return 999");
    expect(gpu.state("ThermalHealthy")).toStartWith("True/");
    const well = { failures: [], eccVolatileUncorrected: 0n, remappedRows: OK_ROWS, sramEcc: OK_SRAM };
    expect(gpu.read(well).state("MemoryHealthy")).toStartWith("True/");
  });

  test("a GPU that is lost has nothing good, and what was bad stays bad", () => {
    const gpu = new GpuPlay().read({ remappedRows: { ...OK_ROWS, failed: true } }).read({ lost: true });
    expect(gpu.state("MemoryHealthy")).toBe("False/RowRemapFailed");
    expect(gpu.state("ThermalHealthy")).toBe("Unknown/GPULost");
  });

  test("an outage makes what was good Unknown, and what was bad stays bad", () => {
    const gpu = new GpuPlay().xid(119);
    gpu.outage = { reason: "DriverUnresponsive", message: "nvmlDeviceGetTemperature has been running for long" };
    expect(gpu.state("NVMLReady")).toBe("False/XidError");
    expect(gpu.state("MemoryHealthy")).toBe("Unknown/DriverUnresponsive");
  });

  test("the message of a good GPU tells product, place and MIG, and not the index", () => {
    expect(new GpuPlay({ index: 7 }).message("NVMLReady")).toBe("NVIDIA H100 80GB HBM3 at 00000000:A1:00.0");
    const mig = new GpuPlay({ mig: { current: 1, pending: 0 } });
    expect(mig.message("NVMLReady")).toEndWith("MIG enabled, disabled after the next reset");
  });

  test("the message of a fault stays as it was while the values behind it change", () => {
    const gpu = new GpuPlay().read({ temperatureC: 92 });
    const message = gpu.message("ThermalHealthy");
    expect(message).toStartWith("the temperature reached 92 degrees Celsius, the slowdown threshold is 90");
    expect(gpu.read({ temperatureC: 94 }).read({ temperatureC: 87 }).message("ThermalHealthy")).toBe(message);
  });

  test("without health checks there is NVMLReady alone, and it knows no fault", () => {
    const gpu = new GpuPlay();
    gpu.healthCheck = false;
    gpu.xid(79).read({ lost: true });
    expect(gpu.types).toEqual(["NVMLReady"]);
    expect(gpu.state("NVMLReady")).toBe("True/Initialized");
  });

  test("absurd temperatures are no reading", () => {
    for (const temperatureC of [4_294_967_295, -2_147_483_648, Number.NaN]) {
      expect(new GpuPlay({ temperatureC }).state("ThermalHealthy")).toStartWith("True/");
    }
    expect(new GpuPlay({ slowdownC: 0 }).round().state("ThermalHealthy")).toStartWith("True/");
  });
});

describe("readings that fail", () => {
  const notOpened = {
    failures: [{ call: "nvmlDeviceGetHandleByIndex_v2", code: 999 }],
    temperatureC: undefined,
    slowdownC: undefined,
    clockReasons: undefined,
    ...{ eccVolatileCorrected: undefined, eccVolatileUncorrected: undefined, remappedRows: undefined },
    ...{ sramEcc: undefined, nvLinks: [], fabric: undefined, mig: undefined, recoveryAction: undefined },
  };

  test("of a GPU that cannot be opened make every condition Unknown and keep what is bad", () => {
    const gpu = new GpuPlay().xid(48).read(notOpened).round();
    expect(gpu.types).toEqual(new GpuPlay().types);
    expect(gpu.state("MemoryHealthy")).toBe("Unknown/ReadingFailed");
    expect(gpu.state("NVMLReady")).toBe("False/XidError");
    expect(new GpuPlay().read(notOpened).round().state("NVMLReady")).toBe("Unknown/ReadingFailed");
  });

  test("are no return of a GPU that was lost", () => {
    const unanswered = { failures: [{ call: "nvmlDeviceGetTemperature", code: 999 }], temperatureC: undefined };
    for (const failing of [notOpened, unanswered]) {
      const gpu = new GpuPlay().xid(48).read({ lost: true });
      gpu.reads = { lost: false, ...failing };
      expect(gpu.round().state("NVMLReady")).toBe("False/GPULost");
      gpu.reads = {};
      expect(gpu.round().state("NVMLReady")).toBe("True/Initialized");
    }
  });

  test("hide no counter that rises meanwhile", () => {
    const failures = [{ call: "nvmlDeviceGetTotalEccErrors", code: 999 }];
    const gpu = new GpuPlay({ eccVolatileUncorrected: 1n }).read({ failures, eccVolatileUncorrected: undefined });
    expect(gpu.read({ failures: [], eccVolatileUncorrected: 2n }).message("MemoryHealthy")).toStartWith(
      "uncorrectable volatile ECC errors rose from 1 to 2",
    );
  });

  test("of the verdict leave fault and advice as they were", () => {
    const failures = [{ call: "nvmlDeviceGetFieldValues", code: 999 }];
    const gpu = new GpuPlay().xid(119).read({ recoveryAction: 2 });
    const message = gpu.message("NVMLReady");
    gpu.read({ failures, recoveryAction: undefined });
    expect([gpu.message("NVMLReady"), gpu.action]).toEqual([message, "RESTART_BM"]);
    expect(gpu.read({ failures: [], recoveryAction: 0 }).state("NVMLReady")).toBe("True/Initialized");
  });
});

test("time in which nobody looked is not quiet", () => {
  const gpu = new GpuPlay().read({ temperatureC: 95 }).read({ temperatureC: 40 });
  for (let i = 0; i < 5; i++) {
    gpu.nowMs += 3_600_000;
    gpu.round();
  }
  expect(gpu.state("ThermalHealthy")).toBe("False/OverTemperature");
  gpu.nowMs += 3_600_000;
  expect(gpu.round().state("ThermalHealthy")).toBe("True/TemperatureOK");
});
