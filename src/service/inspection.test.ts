import { describe, expect, test } from "bun:test";
import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  AdminService,
  type DescribeGpuResponse,
  type Event,
  LeaseState,
  Verdict,
} from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { playAdmin } from "../testing/admin-play.ts";
import { condition, peer } from "../testing/test-store.ts";

const { listEvents, describeGpu, clearFaults, forgetProvider } = AdminService.method;
const A = peer(1, "a");
const DBE = condition("Memory", "False", { reason: "Dbe", message: "two bits" });
const BAD = condition("NVMLReady", "False", { reason: "XidError" });

const lines = (events: readonly Event[]) => events.map(({ gpu, type, by }) => `${type} ${gpu}${by && ` ${by}`}`);

describe("ListEvents", () => {
  test("tells what changed, when, and at which version of the server", async () => {
    const { store, call } = await playAdmin();
    store.pass(1_000);
    store.write((transaction) => {
      transaction.register(A, { name: "gpu-0", uuid: "", status: undefined });
      transaction.updateStatus(A, "gpu-0", { conditions: [DBE], action: "RESTART_BM" });
    });
    const { events, resourceVersion } = await call(listEvents, {});
    expect(resourceVersion).toBe(BigInt(store.version));
    expect(lines(events)).toEqual(["MODIFIED gpu-0", "ADDED gpu-0"]);
    expect(events[0]).toMatchObject({
      resourceVersion: BigInt(store.version),
      whole: false,
      previousAction: "",
      recommendedAction: "RESTART_BM",
      changes: [
        { type: "Ready", previousStatus: "False", status: "False", reason: "Dbe", message: "two bits" },
        { type: "Memory", previousStatus: "", status: "False", reason: "Dbe", message: "two bits" },
      ],
    });
    expect(events[0]).not.toHaveProperty("uuid");
    const times = events.map(({ time }) => time && timestampMs(time));
    expect((times[0] ?? 0) - (times[1] ?? 0)).toBe(1_000);
  });

  test("keeps to a name and a limit, and gives 50 where none is asked for", async () => {
    const { store, call } = await playAdmin();
    for (let i = 1; i < 60; i++) store.register(A, `gpu-${i}`);
    const names = async (request: object) => (await call(listEvents, request)).events.map(({ gpu }) => gpu);
    expect((await names({})).length).toBe(50);
    expect((await names({ limit: 500 })).length).toBe(60);
    expect(await names({ limit: 2 })).toEqual(["gpu-59", "gpu-58"]);
    expect(await names({ name: "GPU-7" })).toEqual(["gpu-7"]);
    expect(await names({ name: "nobody" })).toEqual([]);
  });

  test.each([
    ["INVALID_ARGUMENT: name: 254 characters", { name: "x".repeat(254) }],
    ["INVALID_ARGUMENT: limit: 501 is not between", { limit: 501 }],
    ["INVALID_ARGUMENT: limit: -1 is not between", { limit: -1 }],
  ])("fails with %s", async (text, request) => {
    const { failure } = await playAdmin();
    expect(await failure(listEvents, request)).toStartWith(text);
  });
});

describe("an operator's word", () => {
  test("stands at the event that it brought about, and neither at what came before nor at what follows", async () => {
    const { store, call, publish } = await playAdmin();
    store.register(A, "gpu-1");
    await call(clearFaults, { name: "GPU-0", reason: "looked at" });
    await publish(BAD);
    expect(lines((await call(listEvents, {})).events)).toEqual([
      "MODIFIED gpu-0",
      "MODIFIED gpu-0 ClearFaults by uid 0: looked at",
      "ADDED gpu-1",
      "ADDED gpu-0",
    ]);
  });

  test("does not stand at another change that comes in between, of this GPU or of another", async () => {
    const { store, call, publish, onClear } = await playAdmin();
    for (const name of ["gpu-0", "gpu-1"]) store.register(A, name);
    store.report(A, "gpu-1", BAD);
    onClear({
      before: async () => {
        store.report(A, "gpu-0", condition("Fan", "True"));
        store.report(A, "gpu-1", { ...BAD, status: "True" });
      },
      // The reading after it shows the fault again.
      after: () => publish(BAD),
    });
    await call(clearFaults, { name: "gpu-0", reason: "r" });
    expect(lines((await call(listEvents, { limit: 4 })).events)).toEqual([
      "MODIFIED gpu-0",
      "MODIFIED gpu-0 ClearFaults by uid 0: r",
      "MODIFIED gpu-1",
      "MODIFIED gpu-0",
    ]);
  });

  test("that forgets a provider stands at each GPU that changed with it, then and at no other time", async () => {
    const { store, call } = await playAdmin();
    for (const name of ["gpu-0", "gpu-9"]) {
      store.register(A, name);
      store.report(A, name, DBE);
    }
    store.register(peer(2, "b"), "gpu-8");
    await call(forgetProvider, { id: "a" });
    store.report(peer(2, "b"), "gpu-0", DBE);
    store.register(A, "gpu-9");
    expect(lines((await call(listEvents, {})).events)).toEqual([
      "ADDED gpu-9",
      "MODIFIED gpu-0",
      "DELETED gpu-9 ForgetProvider by uid 0",
      "MODIFIED gpu-0 ForgetProvider by uid 0",
      "ADDED gpu-8",
      "MODIFIED gpu-9",
      "ADDED gpu-9",
      "MODIFIED gpu-0",
      "ADDED gpu-0",
    ]);
  });

  test("that changed nothing stands at no event", async () => {
    const { call } = await playAdmin();
    await call(clearFaults, { name: "gpu-0", reason: "first" });
    await call(clearFaults, { name: "gpu-0", reason: "second" });
    const { events } = await call(listEvents, {});
    expect(lines(events)).toEqual(["MODIFIED gpu-0 ClearFaults by uid 0: first", "ADDED gpu-0"]);
  });

  test("is shortened where it is long", async () => {
    const { call } = await playAdmin();
    await call(clearFaults, { name: "gpu-0", reason: "r".repeat(1_024) });
    const [event] = (await call(listEvents, { limit: 1 })).events;
    expect(event?.by).toBe(`ClearFaults by uid 0: ${"r".repeat(256)}… (of 1024)`);
  });
});

describe("DescribeGpu", () => {
  const said = ({ providers }: DescribeGpuResponse) =>
    providers.map(({ provider, registered, conditions, recommendedAction }) => ({
      id: provider?.id,
      registered,
      action: recommendedAction,
      conditions: conditions.map(({ condition, verdict, advisory, shown }) =>
        [condition?.type, Verdict[verdict], advisory ? "advisory" : "", shown ? "shown" : ""].filter(Boolean).join(" "),
      ),
    }));

  test("tells what consumers see and what each provider says, with what it means", async () => {
    const { store, call } = await playAdmin();
    store.register(A, "gpu-0");
    store.report(
      peer(2, "b"),
      "gpu-0",
      condition("XidError", "True"),
      condition("PcieFault", "False"),
      condition("NVMLReady", "True"),
      condition("ThermalHealthy", "Unknown"),
    );
    const reply = await call(describeGpu, { name: "GPU-0" });
    expect(reply.gpu).toEqual(store.get("gpu-0") as NonNullable<typeof reply.gpu>);
    expect(said(reply)).toEqual([
      { id: "nvml-provider", registered: true, action: "", conditions: ["NVMLReady BAD shown"] },
      { id: "a", registered: true, action: "", conditions: [] },
      {
        id: "b",
        registered: false,
        action: "",
        conditions: [
          "NVMLReady GOOD",
          "PcieFault GOOD shown",
          "ThermalHealthy UNKNOWN advisory shown",
          "XidError BAD shown",
        ],
      },
    ]);
    expect(reply.actions).toEqual([]);
  });

  test("counts for each provider what stands on this GPU alone, and tells of its lease", async () => {
    const { store, call } = await playAdmin();
    for (const name of ["gpu-0", "gpu-1", "gpu-2"]) {
      store.register(A, name);
      store.report(A, name, DBE, condition("Fan", "True"));
    }
    store.heartbeat(A);
    store.pass(10_000);
    const { providers } = await call(describeGpu, { name: "gpu-0" });
    const { provider } = providers[1] ?? {};
    expect(provider).toMatchObject({
      owner: "uid:1",
      lease: LeaseState.HELD,
      gpus: 1,
      conditions: 2,
      badConditions: 1,
    });
    expect(provider?.leaseRemaining && durationMs(provider.leaseRemaining)).toBe(20_000);
  });

  test("tells what operators asked for that concerns this GPU, whether it succeeded or not, the last 20", async () => {
    const { store, call, failure } = await playAdmin();
    store.register(A, "gpu-1");
    // An id that is spelled as a GPU's name is no GPU.
    store.register(peer(2, "gpu-1"), "gpu-2");
    await call(forgetProvider, { id: "gpu-1" });
    await call(clearFaults, { name: "gpu-0", reason: "other GPU" });
    await failure(clearFaults, { name: "gpu-1", reason: "first" });
    const actions = async (name: string) => (await call(describeGpu, { name })).actions;
    expect((await actions("GPU-1")).map(({ reason, outcome }) => [reason, outcome])).toEqual([
      ["first", "nothing to clear"],
    ]);
    for (let i = 0; i < 25; i++) await call(clearFaults, { name: "gpu-1", reason: `r${i}` });
    await call(forgetProvider, { id: "a", reason: "gone" }).catch(() => {});
    store.register(A, "gpu-1");
    const last = await actions("gpu-1");
    expect([last.length, last[0]?.reason, last.at(-1)?.method]).toEqual([20, "r6", "ForgetProvider"]);
  });

  test.each([
    ["INVALID_ARGUMENT: name: ", { name: "" }],
    ['NOT_FOUND: no GPU is named "gpu-7"', { name: "gpu-7" }],
  ])("fails with %s", async (text, request) => {
    const { failure } = await playAdmin();
    expect(await failure(describeGpu, request)).toStartWith(text);
  });
});
