import { describe, expect, test } from "bun:test";
import { silentLogger } from "../../base/log.ts";
import { playProvider, playRunningProvider, UUIDS } from "../../testing/nvml-provider-play.ts";
import { ScriptedLauncher, wellSample, xidEvent } from "../../testing/nvml-script.ts";
import { TestStore } from "../../testing/test-store.ts";
import { createStoreHost } from "../store-host.ts";
import { NvmlProvider } from "./nvml-provider.ts";
import { DEFAULT_THRESHOLDS } from "./thresholds.ts";

describe("the start", () => {
  test("resolves with the first round, and all GPUs come in one transaction", async () => {
    const { host } = await playRunningProvider();
    expect(host.transactions).toEqual([UUIDS.map((uuid) => `${uuid} True/Initialized`)]);
    expect(host.seen.get("GPU-03")).toMatchObject({ name: "GPU-03", uuid: "GPU-03" });
  });

  test("does not wait where there is no library, and finds one that comes later", async () => {
    const { launcher, started, provider, time, round, host } = await playProvider();
    launcher.last.say({ kind: "failed", stage: "load", code: 0, message: "no libnvidia-ml.so.1" });
    await started;
    launcher.last.exit({ code: 1 });
    expect(provider.facts()).toMatchObject({ state: "library-missing", monitorRunning: false });
    time.advance(1_000);
    launcher.last.ready();
    await round();
    expect(host.state("GPU-00")).toBe("True/Initialized");
    expect(provider.facts()).toMatchObject({ state: "running", hostStarts: 2, hostCrashes: 0 });
  });

  test("does not wait for a driver that hangs", async () => {
    const { started, time, provider } = await playProvider();
    time.advance(3_000);
    await started;
    expect(provider.facts().state).toBe("initialising");
  });
});

describe("publishing", () => {
  test("leaves out what did not change", async () => {
    const { host, live } = await playRunningProvider();
    await live(60_000, UUIDS, { temperatureC: 55 });
    expect(host.transactions.length).toBe(1);
  });

  test("shows an event at once, before anything else may run", async () => {
    const { host, launcher, time } = await playRunningProvider();
    const pending = time.pending;
    launcher.last.event(xidEvent(119, "GPU-05", 10));
    expect(host.transactions.at(-1)).toEqual(["GPU-05 False/XidError"]);
    expect(time.pending).toBe(pending);
    expect(host.seen.get("GPU-05")?.status.action).toBe("COMPONENT_RESET");
  });

  test("shows the loss of all GPUs in one transaction", async () => {
    const { host, live } = await playRunningProvider();
    await live(500, UUIDS, { lost: true });
    expect(host.transactions.slice(1)).toEqual([UUIDS.map((uuid) => `${uuid} False/GPULost`)]);
  });

  test("writes events that arrive together in one transaction, and those that come meanwhile in the next", async () => {
    const { host, launcher, settle } = await playRunningProvider();
    const lock = Promise.withResolvers<void>();
    host.lock = lock.promise;
    const event = (uuid: string) => ({ kind: "event", event: xidEvent(79, uuid, 10) }) as const;
    launcher.last.say(event("GPU-00"), event("GPU-01"));
    for (const uuid of UUIDS.slice(2)) launcher.last.say(event(uuid));
    lock.resolve();
    await settle();
    expect(host.transactions.slice(1).map((t) => t.length)).toEqual([2, 6]);
  });

  test("writes a storm of events in few transactions, counts each, and keeps the last", async () => {
    const { host, launcher, provider, settle } = await playRunningProvider();
    for (let i = 0; i < 100; i++) {
      const events = Array.from({ length: 1_000 }, (_, k) => xidEvent(k % 2 === 0 ? 31 : 119, UUIDS[k % 8], 10));
      launcher.last.say(...events.map((event) => ({ kind: "event", event }) as const));
    }
    await settle();
    const counts = provider.facts().gpus.flatMap(({ xids }) => [...xids.values()]);
    expect(counts.reduce((sum, n) => sum + n, 0)).toBe(100_000);
    expect(provider.facts().eventsDropped).toBe(0);
    expect(host.transactions.length).toBeLessThan(5);
    expect(UUIDS.map((uuid) => host.state(uuid)).filter((s) => s === "False/XidError").length).toBe(4);
  });

  test("keeps one GPU that cannot be written from keeping the others out, and tries it again", async () => {
    const all = await playProvider();
    all.host.refused.add("GPU-02");
    all.launcher.last.ready();
    await all.round();
    await all.started;
    expect([...all.host.seen.keys()].length).toBe(7);
    all.host.refused.clear();
    await all.round();
    expect(all.host.state("GPU-02")).toBe("True/Initialized");
  });
});

describe("GPUs", () => {
  test("that are removed are lost first and withdrawn after a while, and published when they come", async () => {
    const { host, live } = await playRunningProvider();
    const left = UUIDS.slice(0, 7);
    await live(500, left);
    expect(host.state("GPU-07")).toBe("False/GPULost");
    await live(1_500, left);
    expect(host.transactions.at(-1)).toEqual(["GPU-07 withdrawn"]);
    await live(500, UUIDS);
    expect(host.state("GPU-07")).toBe("True/Initialized");
  });

  test("are well again after an operator's word", async () => {
    const { host, launcher, provider, live } = await playRunningProvider();
    launcher.last.event(xidEvent(48, "GPU-05", 10));
    expect(await provider.clear("GPU-99", undefined)).toEqual([]);
    expect(await provider.clear("GPU-05", "MemoryHealthy")).toEqual([]);
    expect(host.state("GPU-05")).toBe("False/XidError");
    expect(await provider.clear("gpu-05", undefined)).toMatchObject([{ type: "NVMLReady", reason: "XidError" }]);
    expect(host.state("GPU-05")).toBe("True/Initialized");
    expect(await provider.clear("GPU-05", undefined)).toEqual([]);
    await live(500);
    expect(host.state("GPU-05")).toBe("True/Initialized");
    launcher.last.event(xidEvent(48, "GPU-05", 5_000));
    expect(await provider.clear("GPU-05", "NVMLReady")).toMatchObject([{ reason: "XidError" }]);
  });

  test("that were lost are Unknown after an operator's word until they are read", async () => {
    const { host, provider, live } = await playRunningProvider();
    const conditions = () => host.seen.get("GPU-05")?.status.conditions ?? [];
    const types = conditions().map(({ type }) => type);
    const gone = { absent: UUIDS.filter((uuid) => uuid !== "GPU-05"), lost: UUIDS };
    for (const [how, uuids] of Object.entries(gone)) {
      await live(500, uuids, { lost: how === "lost" });
      expect(host.state("GPU-05")).toBe("False/GPULost");
      expect(await provider.clear("GPU-05", undefined)).toMatchObject([{ reason: "GPULost" }]);
      const unread = types.map((type) => `${type}=Unknown/NotSampled`);
      expect(conditions().map(({ type, status, reason }) => `${type}=${status}/${reason}`)).toEqual(unread);
      expect(provider.facts().gpus.find(({ uuid }) => uuid === "GPU-05")?.sample).toBeUndefined();
      await live(500, uuids, { lost: how === "lost" });
      expect(host.state("GPU-05")).toBe("False/GPULost");
      await provider.clear("GPU-05", "NVMLReady");
      await live(500);
      expect(conditions().map(({ status }) => status)).toEqual(types.map(() => "True"));
    }
  });

  test("have nothing to clear where an outage alone keeps them Unknown", async () => {
    const { host, launcher, provider, settle } = await playRunningProvider();
    launcher.last.exit({ signal: "SIGSEGV" });
    await settle();
    expect(host.state("GPU-05")).toBe("Unknown/NVMLHostCrashed");
    expect(await provider.clear("GPU-05", undefined)).toEqual([]);
    expect(host.state("GPU-05")).toBe("Unknown/NVMLHostCrashed");
  });

  test("are well again when a new host process brings another driver", async () => {
    const { host, launcher, round, time, live } = await playRunningProvider();
    launcher.last.event(xidEvent(48, "GPU-05", 10));
    launcher.last.exit({ signal: "SIGSEGV" });
    time.advance(1_000);
    launcher.last.ready();
    await round();
    expect(host.state("GPU-05")).toBe("False/XidError");
    launcher.last.exit({ signal: "SIGSEGV" });
    time.advance(2_000);
    launcher.last.ready({ driverVersion: "590.1" });
    await live(1_500);
    expect(host.state("GPU-05")).toBe("True/Initialized");
  });

  test("keep their faults where the driver's version cannot be read, and not where it is another", async () => {
    const { host, launcher, provider, time, live } = await playRunningProvider();
    launcher.last.event(xidEvent(95, "GPU-05", 10));
    let retryMs = 1_000;
    const restart = async (driverVersion: string, nvmlVersion: string) => {
      launcher.last.exit({ signal: "SIGKILL" });
      time.advance(retryMs);
      retryMs *= 2;
      launcher.last.ready({ driverVersion, nvmlVersion });
      await live(1_500);
    };
    for (const driverVersion of ["", "580.10", ""]) {
      await restart(driverVersion, "");
      expect(host.state("GPU-05")).toBe("False/XidError");
      expect(provider.facts()).toMatchObject({ driverVersion: "580.10", nvmlVersion: "13.580.10" });
    }
    await restart("590.1", "14.590.1");
    expect(host.state("GPU-05")).toBe("True/Initialized");
    expect(provider.facts()).toMatchObject({ driverVersion: "590.1", nvmlVersion: "14.590.1" });
  });

  test("without health checks wait for no events: the provider is not degraded for want of them", async () => {
    for (const healthCheck of [false, true]) {
      const { launcher, provider, round, started } = await playProvider({ healthCheck });
      launcher.last.ready({ events: false });
      await round();
      await started;
      expect(provider.facts()).toMatchObject({ state: healthCheck ? "degraded" : "running", monitorRunning: true });
    }
  });

  test("are only enumerated without health checks", async () => {
    const { host, launcher, live } = await playRunningProvider({ healthCheck: false });
    launcher.last.event(xidEvent(79, "GPU-05", 10));
    await live(500, UUIDS, { lost: true, temperatureC: 99 });
    expect(host.transactions.length).toBe(1);
    expect(host.seen.get("GPU-05")?.status.conditions.length).toBe(1);
  });
});

describe("a driver that hangs", () => {
  test("makes all GPUs Unknown at once within two periods, bad ones stay bad, and a round ends it", async () => {
    const { host, launcher, time, settle, round, provider } = await playRunningProvider();
    launcher.last.event(xidEvent(119, "GPU-00", 10));
    await settle();
    const before = host.transactions.length;
    for (let ms = 100; ms <= 1_000; ms += 100) {
      time.advance(100);
      launcher.last.pulse(time.monotonicMs(), "nvmlDeviceGetTemperature", ms);
      await settle();
    }
    expect(host.transactions.length).toBe(before + 1);
    expect(UUIDS.map((uuid) => host.state(uuid))).toEqual([
      "False/XidError",
      ...UUIDS.slice(1).map(() => "Unknown/DriverUnresponsive"),
    ]);
    expect(host.message("GPU-01")).toBe("nvmlDeviceGetTemperature has been running for more than 0.75 s");
    expect(host.state("GPU-00", "MemoryHealthy")).toBe("Unknown/DriverUnresponsive");
    expect(provider.facts()).toMatchObject({ state: "hung", hangs: new Map([["nvmlDeviceGetTemperature", 1]]) });

    launcher.last.pulse(time.monotonicMs());
    await settle();
    expect(host.state("GPU-01")).toBe("Unknown/DriverUnresponsive");
    await round();
    expect(host.state("GPU-01")).toBe("True/Initialized");
    expect(host.state("GPU-00")).toBe("False/XidError");
    expect(provider.facts().longestCallMs.get("nvmlDeviceGetTemperature")).toBe(1_000);
  });

  test("is left for a new host process, which makes the GPUs good again when it has done better", async () => {
    const { host, launcher, time, settle, live } = await playRunningProvider();
    time.advance(6_000);
    await settle();
    expect(launcher.hosts[0]?.signals).toEqual(["SIGKILL"]);
    expect(host.state("GPU-01")).toBe("Unknown/DriverUnresponsive");
    time.advance(1_000);
    launcher.last.ready();
    await settle();
    await live(700);
    expect(host.state("GPU-01")).toBe("Unknown/DriverUnresponsive");
    await live(500);
    expect(host.state("GPU-01")).toBe("True/Initialized");
  });

  test("whose host process cannot be killed is said, and there is never a second one", async () => {
    const { host, launcher, time, settle, round } = await playRunningProvider();
    launcher.last.exit({ code: 0 });
    launcher.unkillable = true;
    time.advance(1_000);
    launcher.last.ready();
    await round();
    time.advance(600_000);
    await settle();
    expect(host.message("GPU-01")).toContain("does not end after SIGKILL");
    expect(launcher.hosts.length).toBe(2);
  });
});

describe("a host process that crashes", () => {
  test("makes all GPUs Unknown at once, naming the function, and the next one brings them back", async () => {
    const { host, launcher, time, settle, live, provider } = await playRunningProvider();
    launcher.last.pulse(0, "nvmlDeviceGetFieldValues", 3);
    launcher.last.exit({ signal: "SIGSEGV" });
    await settle();
    expect(host.transactions.at(-1)).toEqual(UUIDS.map((uuid) => `${uuid} Unknown/NVMLHostCrashed`));
    expect(host.message("GPU-01")).toContain("ended by SIGSEGV, last seen in nvmlDeviceGetFieldValues");
    expect(provider.facts().hostCrashes).toBe(1);
    time.advance(1_000);
    launcher.last.ready();
    await live(1_500);
    expect(host.state("GPU-01")).toBe("True/Initialized");
  });
});

describe("enumeration that fails", () => {
  test("makes all GPUs Unknown, loses none of them, and in the end the host process is replaced", async () => {
    const { host, launcher, round, live, time } = await playRunningProvider();
    for (let i = 0; i < 9; i++) await round([], {}, 999);
    expect(host.transactions.at(-1)).toEqual(UUIDS.map((uuid) => `${uuid} Unknown/EnumerationFailed`));
    expect(launcher.last.signals).toEqual([]);
    await round([], {}, 999);
    expect(launcher.last.signals).toEqual(["SIGKILL"]);
    time.advance(1_000);
    launcher.last.ready();
    await live(1_500);
    expect(host.state("GPU-01")).toBe("True/Initialized");
    expect(host.transactions.flat().some((line) => line.includes("withdrawn"))).toBe(false);
  });
});

describe("facts", () => {
  test("tell of each GPU what it reads, how old that is, and how it is", async () => {
    const { provider, launcher, time } = await playRunningProvider({}, 2);
    launcher.last.event(xidEvent(31, "GPU-01", 10));
    launcher.last.say({ kind: "gap", dropped: 4 }, { kind: "event", event: xidEvent(119, "GPU-01", 11) });
    time.advance(300);
    const facts = provider.facts();
    expect(facts).toMatchObject({ driverVersion: "580.10", eventsDropped: 4, monitorRunning: true });
    const counted = new Map([
      [31, 1],
      [119, 1],
    ]);
    expect(facts.gpus.map(({ sample, ...gpu }) => ({ ...gpu, celsius: sample?.temperatureC }))).toEqual([
      {
        uuid: "GPU-00",
        health: "healthy",
        action: "",
        xids: new Map(),
        sampleAgeMs: 300,
        celsius: 40,
      },
      {
        uuid: "GPU-01",
        health: "unhealthy",
        action: "COMPONENT_RESET",
        xids: counted,
        sampleAgeMs: 300,
        celsius: 40,
      },
    ]);
  });

  test("have no reading of a GPU that is lost; the last good one ages, also where it cannot be opened", async () => {
    const { provider, live } = await playRunningProvider({}, 1);
    const [uuid = ""] = UUIDS;
    const failures = [{ call: "nvmlDeviceGetHandleByIndex_v2", code: 999 }];
    await live(500, [uuid], { failures });
    expect(provider.facts().gpus[0]?.sampleAgeMs).toBeGreaterThanOrEqual(500);
    await live(500, [uuid]);
    expect(provider.facts().gpus[0]?.sampleAgeMs).toBeLessThan(500);
    expect(provider.facts().gpus[0]?.sample?.temperatureC).toBe(40);
    await live(1_000, [uuid], { lost: true });
    expect(provider.facts().gpus[0]).toMatchObject({ health: "unhealthy", sample: undefined });
    expect(provider.facts().gpus[0]?.sampleAgeMs).toBeGreaterThanOrEqual(1_000);
  });

  test("say degraded where the event thread is lost, while rounds go on", async () => {
    const { provider, launcher, live, host } = await playRunningProvider();
    launcher.last.say({ kind: "events", running: false, code: 999 });
    expect(provider.facts().state).toBe("degraded");
    await live(500, UUIDS, { lost: true });
    expect(host.state("GPU-01")).toBe("False/GPULost");
    launcher.last.say({ kind: "events", running: true, code: 0 });
    expect(provider.facts().state).toBe("running");
  });
});

test("in the store, a loss of all GPUs is one transaction that ends before the message's turn does", async () => {
  using testStore = new TestStore();
  const time = testStore.time;
  const launcher = new ScriptedLauncher();
  const provider = new NvmlProvider({
    launcher,
    clock: time,
    scheduler: time,
    random: () => 0.5,
    log: silentLogger,
    periodMs: 500,
    thresholds: DEFAULT_THRESHOLDS,
    ignoredXids: new Set(),
    healthCheck: true,
  });
  const started = provider.start(createStoreHost(testStore.store, provider.id, () => {}));
  launcher.last.ready();
  launcher.last.round(
    0,
    UUIDS.map((uuid) => wellSample(uuid, 0)),
  );
  await started;
  expect(testStore.store.stats().gpus).toEqual({ healthy: 8, unhealthy: 0, unknown: 0 });
  launcher.last.round(
    500,
    UUIDS.map((uuid) => wellSample(uuid, 500, { lost: true })),
  );
  expect(testStore.store.stats().gpus).toEqual({ healthy: 0, unhealthy: 8, unknown: 0 });
  launcher.last.exit({ signal: "SIGSEGV" });
  expect(testStore.store.stats().gpus).toEqual({ healthy: 0, unhealthy: 8, unknown: 0 });
});

test("the end stops the host process and publishes nothing more", async () => {
  const { provider, host, launcher, time } = await playRunningProvider();
  const end = provider[Symbol.asyncDispose]();
  launcher.last.round(1, []);
  launcher.last.exit({ code: 0 });
  await end;
  expect(host.transactions.length).toBe(1);
  expect(provider.facts().state).toBe("stopped");
  expect(time.pending).toBe(0);
});
