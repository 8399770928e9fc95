import { type ConformanceCase, failure } from "./observe.ts";

const time = (seconds: number) => ({ seconds: BigInt(seconds), nanos: 0 });
const condition = (type: string, status: string, seconds: number, reason = "") => ({
  type,
  status,
  reason,
  lastTransitionTime: time(seconds),
});

/** No message can carry it. */
const TOO_LATE = { seconds: 2n ** 70n, nanos: 0 };

/** The provider's side, whoever answers it. Runs on Bun and on Node. */
export const PROVIDER_CASES: Readonly<Record<string, ConformanceCase>> = {
  "register says whether the GPU was new, and its version": {
    async run({ device, show }) {
      const first = await device.providers("p").register("gpu-0", { spec: { uuid: "GPU-0" } });
      const again = await device.providers("p").register("GPU-0");
      const other = await device.providers("q").register("gpu-0", { spec: { uuid: "GPU-other" } });
      const versions = [first, again, other].map(({ resourceVersion }) => show.version(resourceVersion));
      const { created } = first;
      return [created, again.created, other.created, ...versions, show.gpu(await device.gpus().get("gpu-0"))];
    },
    expected: [true, false, false, 1, 1, 1, "gpu-0@1 GPU-0"],
  },
  "an initial status counts only where the provider has none": {
    async run({ device, show }) {
      const initialStatus = (status: string) => ({ initialStatus: { conditions: [condition("Link", status, 1.6e9)] } });
      await device.providers("p").register("gpu-0", initialStatus("False"));
      await device.providers("p").register("gpu-0", initialStatus("True"));
      return show.gpu(await device.gpus().get("gpu-0"));
    },
    expected: "gpu-0@1 Ready=False(||1600000000) Link=False(||1600000000)",
  },
  "updateStatus replaces all of a provider, updateCondition one, and others' reports stay": {
    async run({ device, show }) {
      const [p, q] = [device.providers("p"), device.providers("q")];
      await p.register("gpu-0");
      await p.updateStatus("gpu-0", { conditions: [condition("A", "True", 1.6e9), condition("B", "True", 1.6e9)] });
      await q.updateCondition("gpu-0", condition("C", "True", 1.61e9));
      await p.updateCondition("gpu-0", condition("B", "False", 1.62e9, "Broke"));
      const before = show.gpu(await device.gpus().get("gpu-0"));
      await p.updateStatus("gpu-0", { conditions: [condition("A", "True", 1.63e9)] });
      return [before, show.gpu(await device.gpus().get("gpu-0"))];
    },
    expected: [
      "gpu-0@4 Ready=False(Broke||1620000000) A=True(||1600000000) B=False(Broke||1620000000) C=True(||1610000000)",
      "gpu-0@5 Ready=True(||now) A=True(||1600000000) C=True(||1610000000)",
    ],
  },
  "the worst of several reports is shown, and of advice the gravest that has a fault behind it": {
    async run({ device, show }) {
      const [p, q] = [device.providers("p"), device.providers("q")];
      await p.register("gpu-0");
      await p.updateStatus("gpu-0", { conditions: [condition("A", "False", 1.6e9)], recommendedAction: "RESTART_VM" });
      await q.updateStatus("gpu-0", {
        conditions: [condition("A", "Unknown", 1.61e9)],
        recommendedAction: "REPLACE_VM",
      });
      const worst = show.gpu(await device.gpus().get("gpu-0"));
      await q.updateStatus("gpu-0", { conditions: [condition("A", "False", 1.62e9)], recommendedAction: "REPLACE_VM" });
      const both = show.gpu(await device.gpus().get("gpu-0"));
      await p.updateStatus("gpu-0", { conditions: [] });
      await q.updateStatus("gpu-0", { conditions: [] });
      return [worst, both, show.gpu(await device.gpus().get("gpu-0"))];
    },
    expected: [
      "gpu-0@2 Ready=False(||1600000000) A=False(||1600000000) RESTART_VM",
      "gpu-0@3 Ready=False(||1600000000) A=False(||1600000000) REPLACE_VM",
      "gpu-0@4",
    ],
  },
  "inverted types count inverted, and advisory ones have no say": {
    async run({ device, show }) {
      const p = device.providers("p");
      await p.register("gpu-0");
      await p.updateStatus("gpu-0", { conditions: [condition("PowerHealthy", "False", 1.6e9)] });
      const advisory = show.gpu(await device.gpus().get("gpu-0"));
      await p.updateStatus("gpu-0", {
        conditions: [condition("GpuMemWatch", "True", 1.6e9), condition("BusError", "False", 1.6e9)],
      });
      return [advisory, show.gpu(await device.gpus().get("gpu-0"))];
    },
    expected: [
      "gpu-0@2 Ready=True(AdvisoryOnly|only advisory conditions were reported|now) PowerHealthy=False(||1600000000)",
      "gpu-0@3 Ready=False(||now) BusError=False(||1600000000) GpuMemWatch=True(||1600000000)",
    ],
  },
  "the time of a condition moves with its status alone, and never back": {
    async run({ device, show }) {
      const p = device.providers("p");
      await p.register("gpu-0");
      const seen: string[] = [];
      for (const [status, seconds, reason] of [
        ["True", 1.6e9, "a"],
        ["True", 1.65e9, "b"],
        ["False", 1.5e9, "c"],
        ["True", 1.7e9, "d"],
        ["False", 4e9, "in the future"],
      ] as const) {
        await p.updateCondition("gpu-0", condition("A", status, seconds, reason));
        seen.push(show.gpu(await device.gpus().get("gpu-0")));
      }
      return seen;
    },
    expected: [
      "gpu-0@2 Ready=True(a||1600000000) A=True(a||1600000000)",
      "gpu-0@3 Ready=True(b||1600000000) A=True(b||1600000000)",
      "gpu-0@4 Ready=False(c||1600000000) A=False(c||1600000000)",
      "gpu-0@5 Ready=True(d||1700000000) A=True(d||1700000000)",
      "gpu-0@6 Ready=False(in the future||now) A=False(in the future||now)",
    ],
  },
  "a write that changes nothing raises nothing": {
    async run({ device, show }) {
      const p = device.providers("p");
      await p.register("gpu-0");
      const write = () => p.updateStatus("gpu-0", { conditions: [condition("A", "True", 1.6e9)] });
      return [show.version((await write()).resourceVersion), show.version((await write()).resourceVersion)];
    },
    expected: [2, 2],
  },
  "unregister says whether the GPU went": {
    async run({ device }) {
      await device.providers("p").register("gpu-0");
      const first = await device.providers("p").unregister("GPU-0");
      const second = await device.providers("p").unregister("gpu-0");
      return [first.deleted, second.deleted, await failure(device.providers("p").unregister(""))];
    },
    expected: [true, false, "INVALID_ARGUMENT ProviderService/UnregisterGpu"],
  },
  "heartbeats are acknowledged, and need an id": {
    async run({ device }) {
      const { acknowledged } = await device.providers("p").heartbeat(["nobody"]);
      return [acknowledged, await failure(device.providers("").heartbeat())];
    },
    expected: [true, "INVALID_ARGUMENT ProviderService/Heartbeat"],
  },
  "each mistake of a write has its code": {
    async run({ device, show }) {
      const p = device.providers("p");
      await p.register("gpu-0", { spec: { uuid: "GPU-0" } });
      const many = Array.from({ length: 65 }, (_, i) => ({ type: `T${i}`, status: "True" }));
      const failures = [
        await failure(p.register("")),
        await failure(p.register("-")),
        await failure(p.register("x".repeat(254))),
        await failure(p.register("gpu-1", { spec: { uuid: "gpu-0" } })),
        await failure(device.providers("operator").register("gpu-1")),
        await failure(p.updateStatus("gpu-0", { conditions: many })),
        await failure(p.updateStatus("gpu-1", { conditions: [] })),
        await failure(p.updateStatus("gpu-0", { conditions: [{ type: "A", status: "true" }] })),
        await failure(p.updateStatus("gpu-0", { conditions: [condition("A", "True", 1), condition("A", "True", 1)] })),
        await failure(p.updateCondition("gpu-0", { type: "", status: "True" })),
        await failure(p.updateCondition("gpu-0", { type: "A", status: "True", reason: "r".repeat(1_025) })),
        await failure(p.updateCondition("gpu-0", { type: "A", status: "True", message: "🔥".repeat(4_097) })),
        await failure(p.updateCondition("gpu-0", { ...condition("A", "True", 0), lastTransitionTime: TOO_LATE })),
        await failure(p.updateCondition("gpu-0", { type: "A", status: "True", message: "🔥".repeat(4_096) })),
      ];
      const { items, resourceVersion } = await device.gpus().list();
      return [...failures, items.length, show.version(resourceVersion)];
    },
    expected: [
      ...Array.from({ length: 3 }, () => "INVALID_ARGUMENT ProviderService/RegisterGpu"),
      "ALREADY_EXISTS ProviderService/RegisterGpu",
      "PERMISSION_DENIED ProviderService/RegisterGpu",
      "RESOURCE_EXHAUSTED ProviderService/UpdateGpuStatus",
      "NOT_FOUND ProviderService/UpdateGpuStatus",
      "INVALID_ARGUMENT ProviderService/UpdateGpuStatus",
      "INVALID_ARGUMENT ProviderService/UpdateGpuStatus",
      ...Array.from({ length: 4 }, () => "INVALID_ARGUMENT ProviderService/UpdateGpuCondition"),
      "OK",
      1,
      2,
    ],
  },
};
