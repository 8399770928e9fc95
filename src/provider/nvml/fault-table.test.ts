import { describe, expect, test } from "bun:test";
import { GpuPlay } from "../../testing/nvml-play.ts";
import { isLost } from "./gpu-health.ts";
import type { GpuSample } from "./sample.ts";

const OK_ROWS = { corrected: 1, uncorrected: 1, pending: false, failed: false };
const OK_PAGES = { singleBit: 0, doubleBit: 0, pending: false };
const OK_SRAM = { uncorrected: 0n, thresholdExceeded: false };
const links = (active: boolean, errors = 0n) => [
  { link: 0, active: true, errors: 0n },
  { link: 1, active, errors },
];

interface Row {
  readonly name: string;
  readonly condition: string;
  readonly reason: string;
  readonly action: string;
  /** Part of the sentence that says what ends it. */
  readonly clearedBy: string;
  readonly begins: (gpu: GpuPlay) => unknown;
  /** What must not end it, one after the other. */
  readonly stays: readonly ((gpu: GpuPlay) => unknown)[];
  readonly ends: (gpu: GpuPlay) => unknown;
  readonly reads?: Partial<GpuSample>;
}

const wait = (gpu: GpuPlay) => gpu.round(300_000);
const milderXid = (gpu: GpuPlay) => gpu.xid(13).xid(31).xid(94);
const askReset = (gpu: GpuPlay) => gpu.recovered();
const fellToZero = (gpu: GpuPlay) => gpu.read({ eccVolatileCorrected: 9n }).read({ eccVolatileCorrected: 0n });

const EDGES = [
  ["an Xid that asks for a reset", "NVMLReady", "XidError", "COMPONENT_RESET", (gpu: GpuPlay) => gpu.xid(119)],
  ["a double bit ECC error", "NVMLReady", "XidError", "COMPONENT_RESET", (gpu: GpuPlay) => gpu.xid(48)],
  ["a GPU that is unavailable", "NVMLReady", "GPUUnavailable", "COMPONENT_RESET", (gpu: GpuPlay) => gpu.event(0x4000n)],
  ["an ECC event", "MemoryHealthy", "UncorrectableECC", "COMPONENT_RESET", (gpu: GpuPlay) => gpu.event(0x2n)],
  ["fatal poison", "MemoryHealthy", "UncorrectableECC", "COMPONENT_RESET", (gpu: GpuPlay) => gpu.event(0x2000n)],
  [
    "a failed retirement",
    "MemoryHealthy",
    "MemoryRetirementFailed",
    "CONTACT_SUPPORT",
    (gpu: GpuPlay) => gpu.event(0x800n),
  ],
  [
    "uncorrectable ECC that rises",
    "MemoryHealthy",
    "UncorrectableECC",
    "COMPONENT_RESET",
    (gpu: GpuPlay) => gpu.read({ eccVolatileUncorrected: 2n }),
  ],
  [
    "uncorrectable SRAM errors that rise",
    "MemoryHealthy",
    "UncorrectableSRAM",
    "COMPONENT_RESET",
    (gpu: GpuPlay) => gpu.read({ sramEcc: { uncorrected: 1n, thresholdExceeded: false } }),
  ],
] as const;

const EDGE_ROWS: readonly Row[] = EDGES.flatMap(([name, condition, reason, action, begins]) =>
  [
    ["the driver's verdict", "the driver's verdict when it reads NONE", askReset],
    ["a reset", "a reset of the GPU", fellToZero],
    ["a return after a loss", "a reset of the GPU", (gpu: GpuPlay) => gpu.missing().round()],
    ["a driver that was exchanged", "a reset of the GPU", (gpu: GpuPlay) => gpu.driverExchanged()],
  ].map(([how, clearedBy, ends]) => ({
    name: `${name}, ended by ${how}`,
    condition,
    reason,
    action,
    clearedBy: clearedBy as string,
    begins,
    stays: [wait, milderXid, (gpu: GpuPlay) => gpu.read({ eccVolatileCorrected: 5n })],
    ends: ends as Row["ends"],
  })),
);

const LEVEL_ROWS: readonly Row[] = [
  {
    name: "row remapping pending",
    condition: "MemoryHealthy",
    reason: "RowRemapPending",
    action: "COMPONENT_RESET",
    clearedBy: "the driver reports none pending",
    begins: (gpu) => gpu.read({ remappedRows: { ...OK_ROWS, pending: true } }),
    stays: [wait, milderXid, askReset, fellToZero],
    ends: (gpu) => gpu.read({ remappedRows: OK_ROWS }),
  },
  {
    name: "row remapping failed",
    condition: "MemoryHealthy",
    reason: "RowRemapFailed",
    action: "CONTACT_SUPPORT",
    clearedBy: "no failed remapping",
    begins: (gpu) => gpu.read({ remappedRows: { ...OK_ROWS, failed: true } }),
    stays: [
      wait,
      askReset,
      fellToZero,
      (gpu) => gpu.read({ remappedRows: { ...OK_ROWS, failed: true, pending: true } }),
    ],
    ends: (gpu) => gpu.read({ remappedRows: OK_ROWS }),
  },
  {
    name: "page retirement pending",
    condition: "MemoryHealthy",
    reason: "PageRetirementPending",
    action: "COMPONENT_RESET",
    clearedBy: "the reset that retires it",
    begins: (gpu) => gpu.read({ retiredPages: { ...OK_PAGES, pending: true } }),
    stays: [wait, askReset],
    ends: (gpu) => gpu.read({ retiredPages: OK_PAGES }),
  },
  {
    name: "too many retired pages",
    condition: "MemoryHealthy",
    reason: "RetiredPagesOverLimit",
    action: "CONTACT_SUPPORT",
    clearedBy: "fewer than 60 retired pages",
    begins: (gpu) => gpu.read({ retiredPages: { singleBit: 40, doubleBit: 20, pending: false } }),
    stays: [wait, askReset],
    ends: (gpu) => gpu.read({ retiredPages: OK_PAGES }),
  },
  {
    name: "SRAM errors over the vendor's threshold",
    condition: "MemoryHealthy",
    reason: "SRAMThresholdExceeded",
    action: "CONTACT_SUPPORT",
    clearedBy: "the threshold as kept",
    begins: (gpu) => gpu.read({ sramEcc: { ...OK_SRAM, thresholdExceeded: true } }),
    stays: [wait, askReset],
    ends: (gpu) => gpu.read({ sramEcc: OK_SRAM }),
  },
  {
    name: "a temperature at the slowdown threshold",
    condition: "ThermalHealthy",
    reason: "OverTemperature",
    action: "",
    clearedBy: "85 degrees or less for 30 s",
    begins: (gpu) => gpu.read({ temperatureC: 90 }),
    stays: [
      wait,
      askReset,
      (gpu) => gpu.read({ temperatureC: 86 }).round(60_000),
      (gpu) =>
        gpu
          .read({ temperatureC: 85 })
          .round(29_000)
          .read({ temperatureC: 86 })
          .read({ temperatureC: 85 })
          .round(29_000),
    ],
    ends: (gpu) => gpu.read({ temperatureC: 85 }).round(30_000),
  },
  ...(
    [
      ["hardware thermal slowdown", "ThermalHealthy", "ThermalSlowdown", 0x48n, "no thermal slowdown for 30 s"],
      ["software thermal slowdown", "ThermalHealthy", "ThermalSlowdown", 0x20n, "no thermal slowdown for 30 s"],
      ["the power brake", "PowerHealthy", "PowerBrake", 0x88n, "no power brake for 30 s"],
      ["hardware slowdown", "PowerHealthy", "HardwareSlowdown", 0x8n, "no hardware slowdown for 30 s"],
    ] as const
  ).map(([name, condition, reason, clockReasons, clearedBy]) => ({
    name,
    condition,
    reason,
    action: "",
    clearedBy,
    begins: (gpu: GpuPlay) => gpu.read({ clockReasons }),
    stays: [wait, (gpu: GpuPlay) => gpu.read({ clockReasons: 0n }).round(29_000).read({ clockReasons }), askReset],
    ends: (gpu: GpuPlay) => gpu.read({ clockReasons: 0x4n }).round(30_000),
  })),
  {
    name: "an NVLink that was up",
    condition: "NVLinkHealthy",
    reason: "NVLinkDown",
    action: "",
    clearedBy: "NVLink 1 up for 10 s",
    begins: (gpu) => gpu.read({ nvLinks: links(false) }),
    stays: [
      wait,
      (gpu) =>
        gpu
          .read({ nvLinks: links(true) })
          .round(9_000)
          .read({ nvLinks: links(false) }),
      askReset,
    ],
    ends: (gpu) => gpu.read({ nvLinks: links(true) }).round(10_000),
  },
  {
    name: "NVLink errors that climb",
    condition: "NVLinkHealthy",
    reason: "NVLinkErrors",
    action: "",
    clearedBy: "less than a tenth of these errors on NVLink 1 for 120 s",
    begins: (gpu) => gpu.read({ nvLinks: links(true) }).read({ nvLinks: links(true, 100n) }),
    stays: [
      (gpu) => gpu.round(60_000),
      (gpu) => {
        // Not bad any more, and not quiet either: 20 errors each half minute.
        for (let errors = 100n; errors <= 300n; errors += 20n) gpu.read({ nvLinks: links(true, errors) }).round(30_000);
      },
    ],
    ends: (gpu) => gpu.round(300_000),
  },
  ...(
    [
      ["a fabric whose bandwidth is degraded", { state: 3, status: 0, healthMask: 1 }, "FabricDegraded"],
      ["a fabric whose routes are unhealthy", { state: 3, status: 0, healthMask: 1 << 4 }, "FabricDegraded"],
      ["a fabric after an access timeout", { state: 3, status: 0, healthMask: 1 << 6 }, "FabricDegraded"],
      ["a fabric that is misconfigured", { state: 3, status: 0, healthMask: 4 << 8 }, "FabricDegraded"],
      ["a registration that failed", { state: 3, status: 999, healthMask: 0 }, "FabricRegistrationFailed"],
      ["a registration that was lost", { state: 2, status: 0, healthMask: 0 }, "FabricStateLost"],
    ] as const
  ).map(([name, fabric, reason]) => ({
    name,
    condition: "FabricHealthy",
    reason,
    action: "",
    clearedBy: "for 10 s",
    begins: (gpu: GpuPlay) => gpu.read({ fabric }),
    stays: [
      wait,
      (gpu: GpuPlay) =>
        gpu
          .read({ fabric: { state: 3, status: 0, healthMask: 0 } })
          .round(9_000)
          .read({ fabric }),
    ],
    ends: (gpu: GpuPlay) => gpu.read({ fabric: { state: 3, status: 0, healthMask: 0x1aa } }).round(10_000),
  })),
  {
    name: "the driver's verdict",
    condition: "NVMLReady",
    reason: "RecoveryRequired",
    action: "RESTART_BM",
    clearedBy: "the driver's verdict when it reads NONE",
    begins: (gpu) => gpu.read({ recoveryAction: 2 }),
    stays: [wait, milderXid, fellToZero, (gpu) => gpu.read({ recoveryAction: undefined }).read({ recoveryAction: 2 })],
    ends: (gpu) => gpu.read({ recoveryAction: 0 }),
  },
  {
    name: "a GPU that the driver calls lost",
    condition: "NVMLReady",
    reason: "GPULost",
    action: "RESTART_BM",
    clearedBy: "when it answers again under this UUID",
    begins: (gpu) => gpu.read({ lost: true }),
    stays: [wait, milderXid, (gpu) => gpu.missing(500)],
    ends: (gpu) => gpu.read({ lost: false }),
  },
  {
    name: "a GPU that is missing",
    condition: "NVMLReady",
    reason: "GPULost",
    action: "RESTART_BM",
    clearedBy: "when it answers again under this UUID",
    begins: (gpu) => gpu.missing(),
    stays: [milderXid, (gpu) => gpu.missing(10)],
    ends: (gpu) => gpu.round(),
  },
  {
    name: "a GPU off the bus by Xid 79",
    condition: "NVMLReady",
    reason: "GPULost",
    action: "RESTART_BM",
    clearedBy: "a reset of the GPU",
    begins: (gpu) => gpu.xid(79),
    stays: [wait, milderXid, (gpu) => gpu.xid(119), (gpu) => gpu.read({ lost: true })],
    ends: (gpu) => gpu.clear().read({ lost: true }).xid(79).read({ lost: false }),
  },
  {
    name: "power smoothing that is off",
    condition: "NVMLReady",
    reason: "XidError",
    action: "NONE",
    clearedBy: "Xid 162",
    // Without a verdict to be had, an Xid without a bucket counts.
    reads: { recoveryAction: undefined },
    begins: (gpu) => gpu.xid(163),
    stays: [wait, milderXid],
    ends: (gpu) => gpu.xid(162),
  },
];

describe("every fault begins, says what ends it, and ends by that alone", () => {
  for (const row of [...EDGE_ROWS, ...LEVEL_ROWS]) {
    test(row.name, () => {
      const gpu = new GpuPlay(row.reads);
      const bad = `False/${row.reason}`;
      expect(gpu.state(row.condition)).toStartWith("True/");
      row.begins(gpu);
      expect(gpu.state(row.condition)).toBe(bad);
      expect(gpu.action).toBe(row.action);
      expect(gpu.message(row.condition)).toMatch(
        /; cleared by: .*an operator's word \(device-api-server clear NAME --reason TEXT\)$/,
      );
      expect(gpu.message(row.condition)).toContain(row.clearedBy);
      for (const stay of row.stays) {
        stay(gpu);
        expect(gpu.state(row.condition)).toStartWith("False/");
      }
      row.ends(gpu);
      expect(gpu.state(row.condition)).toStartWith("True/");
      if (row.condition === "NVMLReady") expect(gpu.action).toBe("");
    });

    test(`${row.name}: an operator's word ends it`, () => {
      const gpu = new GpuPlay(row.reads);
      row.begins(gpu);
      gpu.clear(row.condition === "NVMLReady" ? "MemoryHealthy" : "NVMLReady");
      expect(gpu.state(row.condition)).toBe(`False/${row.reason}`);
      // One that was out of reach has not been read since, whatever an operator says.
      const after = isLost(gpu.health) ? "Unknown/NotSampled" : "True/";
      gpu.clear(row.condition);
      expect(gpu.state(row.condition)).toStartWith(after);
    });
  }
});
