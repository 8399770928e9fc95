import { describe, expect, test } from "bun:test";
import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { AdminService, LeaseState } from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { playAdmin } from "../testing/admin-play.ts";
import { condition, peer } from "../testing/test-store.ts";
import { AUDIT_ENTRIES_MAX } from "./audit-log.ts";

const { clearFaults, listProviders, forgetProvider, simulateHeal } = AdminService.method;
const A = peer(1, "a");
const B = peer(2, "b");
const WELL = condition("NVMLReady", "True");
const DBE = condition("Memory", "False", { reason: "Dbe" });

test("every method is for administrators alone, but for the two that only look", async () => {
  const { methods } = await playAdmin();
  const looks = ["ListEvents", "DescribeGpu"];
  expect(methods.map(({ name, access }) => `${name.split("/")[1]} ${access}`)).toEqual(
    AdminService.methods.map(({ name }) => `${name} ${looks.includes(name) ? "read" : "admin"}`),
  );
});

describe("ClearFaults", () => {
  test("tells what it ended and how the GPU is after it", async () => {
    const { store, call } = await playAdmin();
    const reply = await call(clearFaults, { name: "gpu-0", reason: "looked at" });
    expect(reply).toMatchObject({
      cleared: [{ providerId: "nvml-provider", type: "NVMLReady", reason: "XidError" }],
      remaining: [],
      gpu: { metadata: { name: "gpu-0" }, resourceVersion: BigInt(store.version) },
    });
    expect(reply.gpu?.status?.conditions[0]).toMatchObject({ type: "Ready", status: "True" });
  });

  test("that finds nothing says so, and what is bad besides", async () => {
    const { store, call } = await playAdmin();
    store.register(A, "gpu-0");
    store.report(A, "gpu-0", DBE);
    const other = await call(clearFaults, { name: "GPU-0", type: "Fan", reason: "r" });
    expect(other).toMatchObject({ cleared: [], remaining: [{ type: "NVMLReady" }, { type: "Memory" }] });
    store.report(A, "gpu-0");
    await call(clearFaults, { name: "gpu-0", reason: "r" });
    expect(await call(clearFaults, { name: "gpu-0", reason: "r" })).toMatchObject({ cleared: [], remaining: [] });
  });

  test("ends what is built in and tells of what is an external provider's", async () => {
    const { store, call } = await playAdmin();
    store.register(A, "gpu-0");
    store.report(A, "gpu-0", DBE);
    expect(await call(clearFaults, { name: "gpu-0", reason: "r" })).toMatchObject({
      cleared: [{ type: "NVMLReady" }],
      remaining: [{ providerId: "a", type: "Memory", reason: "Dbe" }],
    });
  });

  test("is refused where all that is meant is an external provider's, with what to do instead", async () => {
    const { store, failure } = await playAdmin();
    for (const writer of [A, B]) {
      store.register(writer, "gpu-0");
      store.report(writer, "gpu-0", DBE);
    }
    const request = { name: "gpu-0", type: "Memory", reason: "r" };
    expect(await failure(clearFaults, request)).toBe(
      'FAILED_PRECONDITION: Memory of gpu-0 is what provider "a" reports (and 1 more): it has to report it good ' +
        "itself; if it is gone for good, run: device-api-server provider forget a",
    );
    store.heartbeat(A);
    expect(await failure(clearFaults, request)).toEndWith("it is alive, and has to report it good itself");
  });

  test("quotes a provider's id for the shell", async () => {
    const { store, failure } = await playAdmin();
    const odd = peer(1, "it's; odd");
    store.register(odd, "gpu-0");
    store.report(odd, "gpu-0", DBE);
    expect(await failure(clearFaults, { name: "gpu-0", type: "Memory", reason: "r" })).toEndWith(
      "provider forget 'it'\\''s; odd'",
    );
  });

  test.each([
    ["INVALID_ARGUMENT: name: ", { name: "", reason: "r" }],
    ["INVALID_ARGUMENT: reason: must not be empty", { name: "gpu-0", reason: " " }],
    ["INVALID_ARGUMENT: reason: 1025 characters", { name: "gpu-0", reason: "r".repeat(1_025) }],
    ["INVALID_ARGUMENT: type: 317 characters", { name: "gpu-0", reason: "r", type: "t".repeat(317) }],
    ["INVALID_ARGUMENT: type: Ready follows", { name: "gpu-0", reason: "r", type: "Ready" }],
    ['NOT_FOUND: no GPU is named "gpu-1"', { name: "gpu-1", reason: "r" }],
  ])("fails with %s", async (text, request) => {
    const { failure } = await playAdmin();
    expect(await failure(clearFaults, request)).toStartWith(text);
  });
});

describe("ListProviders", () => {
  test("tells of each whose it is, when it was heard, what is left of its lease and what stands there", async () => {
    const { store, call } = await playAdmin();
    store.register(B, "gpu-0");
    store.report(B, "gpu-0", DBE, WELL);
    store.heartbeat(A);
    store.pass(10_000);
    const nowMs = store.time.wallUs() / 1_000;
    const { providers } = await call(listProviders, {});
    expect(providers.map(({ id, builtIn, owner, lease }) => [id, builtIn, owner, lease])).toEqual([
      ["nvml-provider", true, "", LeaseState.NONE],
      ["a", false, "uid:1", LeaseState.HELD],
      ["b", false, "uid:2", LeaseState.NONE],
    ]);
    const [nvml, a, b] = providers;
    expect([nvml, a, b].map((p) => [p?.gpus, p?.conditions, p?.badConditions])).toEqual([
      [1, 1, 1],
      [0, 0, 0],
      [1, 2, 1],
    ]);
    expect(a?.leaseRemaining && durationMs(a.leaseRemaining)).toBe(20_000);
    expect(a?.lastHeartbeat && timestampMs(a.lastHeartbeat)).toBe(Math.round(nowMs - 10_000));
    // The wall clock is read in whole milliseconds.
    store.time.wallOffsetUs += 900;
    const again = (await call(listProviders, {})).providers;
    expect(again.map(({ lastHeartbeat, lastWrite }) => [lastHeartbeat, lastWrite])).toEqual(
      providers.map(({ lastHeartbeat, lastWrite }) => [lastHeartbeat, lastWrite]),
    );
    expect([a?.lastWrite, b?.lastHeartbeat, b?.leaseRemaining]).toEqual([undefined, undefined, undefined]);
    expect(b?.lastWrite && timestampMs(b.lastWrite)).toBe(Math.round(nowMs - 10_000));
    store.pass(20_000);
    expect((await call(listProviders, {})).providers[1]).toMatchObject({ lease: LeaseState.LOST });
  });
});

describe("ForgetProvider", () => {
  test("removes everything of the provider, and tells what went", async () => {
    const { store, call } = await playAdmin();
    for (const name of ["gpu-0", "gpu-9"]) {
      store.register(A, name);
      store.report(A, name, DBE);
    }
    const reply = await call(forgetProvider, { id: "a" });
    expect(reply).toMatchObject({ gpus: 2, conditions: 2, deletedGpus: ["gpu-9"] });
    expect(reply.resourceVersion).toBe(BigInt(store.version));
    expect(store.names()).toEqual(["gpu-0"]);
    expect((await call(listProviders, {})).providers.map(({ id }) => id)).toEqual(["nvml-provider"]);
  });

  test.each([
    ["INVALID_ARGUMENT: id: must not be empty", { id: "" }],
    ["INVALID_ARGUMENT: id: 254 characters", { id: "x".repeat(254) }],
    ["INVALID_ARGUMENT: reason: 1025 characters", { id: "a", reason: "r".repeat(1_025) }],
    ['NOT_FOUND: there is no provider "nobody"', { id: "nobody" }],
    ['FAILED_PRECONDITION: provider "nvml-provider" is built in', { id: "nvml-provider", force: true }],
    ['FAILED_PRECONDITION: provider "operator" is built in', { id: "operator" }],
  ])("fails with %s", async (text, request) => {
    const { failure } = await playAdmin();
    expect(await failure(forgetProvider, request)).toStartWith(text);
  });
});

describe("the record", () => {
  test("has who asked for what, why, when, and what came of it, as the log has", async () => {
    const { store, call, failure, actions, lines } = await playAdmin();
    await call(clearFaults, { name: "gpu-0", reason: "looked at" });
    store.pass(1_000);
    await failure(forgetProvider, { id: "nobody", reason: "uninstalled" });
    await failure(simulateHeal, { name: "gpu-0" });
    const expected = [
      ["ClearFaults", "gpu-0", "looked at", "cleared NVMLReady"],
      ["ForgetProvider", "nobody", "uninstalled", 'NOT_FOUND: there is no provider "nobody"'],
      ["SimulateHeal", "gpu-0", "", expect.stringContaining("FAILED_PRECONDITION: there are no simulated GPUs")],
    ];
    const entries = await actions();
    expect(entries.map(({ method, target, reason, outcome }) => [method, target, reason, outcome])).toEqual(expected);
    expect(lines.map((line) => [line?.["method"], line?.["target"], line?.["reason"], line?.["outcome"]])).toEqual(
      expected,
    );
    for (const who of [...entries, ...lines]) expect(who).toMatchObject({ uid: 0, pid: 77 });
    const times = entries.map(({ time }) => time && timestampMs(time));
    expect(times).toEqual([times[0], (times[0] ?? 0) + 1_000, (times[0] ?? 0) + 1_000]);
  });

  test("keeps the last ones alone, each of a bounded length; calls that ask for nothing leave no trace", async () => {
    const { call, failure, actions } = await playAdmin();
    for (let i = 0; i < AUDIT_ENTRIES_MAX + 5; i++) await call(clearFaults, { name: "gpu-0", reason: `r${i}` });
    await call(listProviders, {});
    await failure(clearFaults, { name: "gpu-0", reason: "" });
    const kept = await actions();
    expect([kept.length, kept[0]?.reason, kept.at(-1)?.reason]).toEqual([
      AUDIT_ENTRIES_MAX,
      "r5",
      `r${AUDIT_ENTRIES_MAX + 4}`,
    ]);
    await failure(clearFaults, { name: "x".repeat(100_000), reason: "r" });
    const last = (await actions()).at(-1);
    expect([last?.target.length ?? 0, last?.outcome.length ?? 0].every((length) => length < 600)).toBe(true);
  });
});
