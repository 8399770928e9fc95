import { type ConformanceCase, failure } from "./observe.ts";

/** Get, List and Watch, whoever answers them. Runs on Bun and on Node. */
export const READ_CASES: Readonly<Record<string, ConformanceCase>> = {
  "get answers by name without regard to case, in the first spelling": {
    async run({ device, show }) {
      await device.providers("p").register("Gpu-A", { spec: { uuid: "GPU-1" } });
      await device.providers("p").register("gpu-a", { spec: { uuid: "gpu-1" } });
      return show.gpu(await device.gpus().get("GPU-a", { namespace: "default", resourceVersion: "99" }));
    },
    expected: "Gpu-A@1 GPU-1",
  },
  "each mistake of a get has its code": {
    async run({ device }) {
      await device.providers("p").register("gpu-0");
      return [
        await failure(device.gpus().get("")),
        await failure(device.gpus().get("gpu-1")),
        await failure(device.gpus().get("gpu-0", { namespace: "kube-system" })),
        await failure(device.gpus().get("gpu-0", { resourceVersion: "abc" })),
        await failure(device.gpus().get("gpu-0", { resourceVersion: "9223372036854775808" })),
        await failure(device.gpus().get("gpu-0", { resourceVersion: "9223372036854775807" })),
      ];
    },
    expected: [
      "INVALID_ARGUMENT GpuService/GetGpu",
      "NOT_FOUND GpuService/GetGpu",
      "NOT_FOUND GpuService/GetGpu",
      "INVALID_ARGUMENT GpuService/GetGpu",
      "INVALID_ARGUMENT GpuService/GetGpu",
      "OK",
    ],
  },
  "a list is one version, in natural order, whatever version is asked for": {
    async run({ device, show }) {
      for (const name of ["gpu-10", "gpu-2", "GPU-1"]) await device.providers("p").register(name);
      const { items, resourceVersion } = await device.gpus().list({ resourceVersion: "123" });
      return [...items.map(show.gpu), show.version(resourceVersion)];
    },
    expected: ["GPU-1@3", "gpu-2@2", "gpu-10@1", 3],
  },
  "another namespace has an empty list at the present version": {
    async run({ device, show }) {
      await device.providers("p").register("gpu-0");
      const { items, resourceVersion } = await device.gpus().list({ namespace: "other" });
      return [items.length, show.version(resourceVersion), await failure(device.gpus().list({ resourceVersion: "-" }))];
    },
    expected: [0, 1, "INVALID_ARGUMENT GpuService/ListGpus"],
  },
  "a watch shows the snapshot in list order and then each change once": {
    async run({ device, events }) {
      const provider = device.providers("p");
      await provider.register("gpu-10");
      await provider.register("gpu-2");
      return events(5, {}, async (seen) => {
        if (seen !== 2) return;
        await provider.updateCondition("gpu-2", { type: "Memory", status: "True" });
        await provider.updateCondition("gpu-2", { type: "Memory", status: "True" });
        await provider.unregister("gpu-10");
        await provider.register("gpu-10");
      });
    },
    expected: [
      "ADDED gpu-2@2",
      "ADDED gpu-10@1",
      "MODIFIED gpu-2@3 Ready=True(||now) Memory=True(||now)",
      "DELETED gpu-10@4",
      "ADDED gpu-10@5",
    ],
  },
  "a watch from a version goes on right after it": {
    async run({ device, events, versionAt }) {
      for (const name of ["a", "b", "c"]) await device.providers("p").register(name);
      await device.providers("p").unregister("a");
      return [await events(3, { resourceVersion: versionAt(1) }), await events(1, { resourceVersion: versionAt(3) })];
    },
    expected: [["ADDED b@2", "ADDED c@3", "DELETED a@4"], ["DELETED a@4"]],
  },
  "a watch from the list's version misses nothing and repeats nothing": {
    async run({ device, events }) {
      await device.providers("p").register("a");
      const { resourceVersion } = await device.gpus().list();
      await device.providers("p").register("b");
      return events(2, { resourceVersion }, async (seen) => {
        if (seen === 1) await device.providers("p").register("c");
      });
    },
    expected: ["ADDED b@2", "ADDED c@3"],
  },
  "a version that the history cannot serve has expired, and one that is none is a mistake": {
    async run({ device, events, versionAt }) {
      await device.providers("p").register("a");
      return [
        await failure(events(1, { resourceVersion: versionAt(2) })),
        await failure(events(1, { resourceVersion: "9223372036854775807" })),
        await failure(events(1, { resourceVersion: "-5" })),
        await failure(events(1, { resourceVersion: "0x10" })),
      ];
    },
    expected: [
      "OUT_OF_RANGE GpuService/WatchGpus",
      "OUT_OF_RANGE GpuService/WatchGpus",
      "OUT_OF_RANGE GpuService/WatchGpus",
      "INVALID_ARGUMENT GpuService/WatchGpus",
    ],
  },
  "a watch of another namespace is open and silent, and its signal ends it without an error": {
    async run({ device, events }) {
      const gone = new AbortController();
      const silent = events(1, { namespace: "other", signal: gone.signal });
      await events(2, {}, async (seen) => {
        if (seen === 0) await device.providers("p").register("a");
        if (seen === 1) await device.providers("p").register("b");
      });
      gone.abort();
      return [await silent, await failure(events(1, { namespace: "other", resourceVersion: "x" }))];
    },
    expected: [[], "INVALID_ARGUMENT GpuService/WatchGpus"],
  },
};
