import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Gpu, GpuService, type WatchGpusResponse } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { AdminService } from "../../src/gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { waitsForEvents } from "../support/nvml-events.ts";
import { runBinary } from "../support/run-binary.ts";
import { type StreamReader, TestClient } from "../support/test-client.ts";

/** What an operator types, against the compiled binary on the scripted library. */

const { watchGpus, listGpus } = GpuService.method;
const { registerGpu, updateGpuCondition, heartbeat } = ProviderService.method;
const REASON = "the GPU was looked at";

let fake: FakeNvml;
let binary: RunningBinary;
let client: TestClient;
let watch: StreamReader<WatchGpusResponse>;
let names: readonly string[];

beforeEach(async () => {
  fake = createFakeNvml({ gpus: 2 });
  const nvml = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`, "--nvml-period=200ms"];
  binary = await spawnBinary([...nvml, "--simulate=1", "--provider-lease=1s"], fake.env);
  client = new TestClient(binary.unixTarget);
  names = (await client.call(listGpus, {})).gpuList?.items.map((gpu) => gpu.metadata?.name ?? "") ?? [];
  watch = client.stream(watchGpus, {});
  await waitsForEvents(fake);
});

afterEach(async () => {
  client[Symbol.dispose]();
  await binary.stop();
  fake[Symbol.dispose]();
});

const run = (...args: readonly string[]) => runBinary(args, { NVIDIA_DEVICE_API_TARGET: binary.unixTarget });

/** The states of a GPU that the watch has shown, "True/Initialized" and so on, each once in a row. */
function readyStates(name: string): readonly string[] {
  const states = watch.messages
    .filter(({ object }) => object?.metadata?.name === name)
    .map(({ object }) => readyOf(object))
    // A busy machine may fall silent for a moment, which is told, and not what is played here.
    .filter((state) => state !== "Unknown/DriverUnresponsive");
  return states.filter((state, i) => state !== states[i - 1]);
}

function readyOf(gpu: Gpu | undefined): string {
  const ready = gpu?.status?.conditions.find(({ type }) => type === "Ready");
  return `${ready?.status}/${ready?.reason}`;
}

const untilStates = (name: string, ...states: readonly string[]) =>
  watch.until(() => Bun.deepEquals(readyStates(name), states), `${name}: ${states.join(", ")}`);

const actions = async () => (await client.call(AdminService.method.listOperatorActions, {})).actions;

describe("clear", () => {
  const WELL = "True/Initialized";
  const BAD = "False/XidError";
  const nvmlGpu = () => names.find((name) => name.startsWith("GPU-")) ?? "";
  /** The name of the GPU that is bad now; which one a number of the library is, is the library's matter. */
  const badOne = async () => {
    await watch.until(() => names.some((name) => readyStates(name).at(-1) === BAD), "an Xid");
    return names.find((name) => readyStates(name).at(-1) === BAD) ?? "";
  };

  test("ends an Xid that waits for a human, and the next Xid makes the GPU bad again", async () => {
    fake.command("xid 1 95");
    const name = await badOne();
    // Two periods and more: no reading ends it.
    await Bun.sleep(600);
    expect(readyStates(name)).toEqual([WELL, BAD]);
    const { status, out, err } = await run("clear", name.toLowerCase(), "--reason", REASON);
    expect([status, err]).toEqual([0, ""]);
    expect(out).toMatch(
      new RegExp(`^${name}: cleared NVMLReady, which was XidError\n${name}: Ready is True \\(Initialized\\) [^\n]+\n$`),
    );
    await untilStates(name, WELL, BAD, WELL);
    await Bun.sleep(600);
    await untilStates(name, WELL, BAD, WELL);
    fake.command("xid 1 95");
    await untilStates(name, WELL, BAD, WELL, BAD);
    expect((await actions()).map(({ method, target, reason, outcome }) => [method, target, reason, outcome])).toEqual([
      ["ClearFaults", name.toLowerCase(), REASON, "cleared NVMLReady"],
    ]);
    // The word stands at the recovery that it brought about, and not at the Xid after it.
    const changes = (await run("describe", name)).out
      .split("\n")
      .filter((line) => /Ready (?:True|False) ->|by an/.test(line));
    expect(changes.map((line) => line.trim().replace(/^\S+ +MODIFIED +/, ""))).toEqual([
      "Ready True -> False (XidError)",
      "NVMLReady True -> False (XidError)",
      "Ready False -> True (Initialized)",
      "NVMLReady False -> True (Initialized)",
      `by an operator: ClearFaults by uid ${process.getuid?.()}: ${REASON}`,
      "Ready True -> False (XidError)",
      "NVMLReady True -> False (XidError)",
    ]);
  });

  test("of a GPU that is still lost makes it Unknown until the next reading", async () => {
    const LOST = "False/GPULost";
    fake.command("gpu all lost=1");
    const name = nvmlGpu();
    await untilStates(name, WELL, LOST);
    expect((await run("clear", name, "--reason", REASON)).status).toBe(0);
    // The word ends the loss; that it is well, nobody has read.
    await untilStates(name, WELL, LOST, "Unknown/NotSampled", LOST);
  });

  test("of one type leaves the others, and heals a simulated GPU", async () => {
    await run("simulate", "break", "gpu-0", "--xid=79");
    const none = await run("clear", "gpu-0", "--type=MemoryHealthy", "--reason", REASON);
    expect([none.status, none.out]).toEqual([1, ""]);
    expect(none.err).toStartWith(
      'device-api-server: nothing to clear: gpu-0 has no fault of type "MemoryHealthy"; it has NVMLReady (XidError);',
    );
    expect((await run("clear", "gpu-0", "--type=NVMLReady", "--reason", REASON)).status).toBe(0);
    await untilStates("gpu-0", WELL, BAD, WELL);
  });

  test("says that there is nothing to clear, which GPU it does not know, and what it was not told", async () => {
    const nothing = await run("clear", "gpu-0", "--reason", REASON);
    expect([nothing.status, nothing.err]).toEqual([
      1,
      "device-api-server: nothing to clear: gpu-0 has no fault; Ready is True (Initialized)\n",
    ]);
    const unknown = await run("clear", "gpu-7", "--reason", REASON);
    expect([unknown.status, unknown.err]).toEqual([
      1,
      'device-api-server: NOT_FOUND: no GPU is named "gpu-7". "device-api-server get" shows those that there are\n',
    ]);
    for (const args of [["clear"], ["clear", "gpu-0"], ["clear", "gpu-0", "gpu-1", "--reason=x"]]) {
      expect((await run(...args)).status).toBe(2);
    }
    const away = await run("clear", "gpu-0", "--reason=x", "--target=/nowhere.sock");
    expect([away.status, away.err]).toEqual([3, expect.stringContaining("there is no such socket")]);
    const tcp = await run("clear", "gpu-0", "--reason=x", `--target=${binary.tcpTarget}`);
    expect([tcp.status, tcp.err]).toEqual([
      1,
      expect.stringContaining("PERMISSION_DENIED: administration is answered"),
    ]);
  });
});

describe("an external provider that is gone", () => {
  const bad = { type: "MemoryHealthy", status: "False", reason: "Dbe" };

  /** It registers a GPU of its own, and reports a fault there and on one that it shares. */
  async function leaveBehind(id: string): Promise<void> {
    for (const name of ["gpu-0", "left"]) {
      await client.call(registerGpu, { name, providerId: id });
      await client.call(updateGpuCondition, { name, condition: bad, providerId: id });
    }
  }

  test("leaves a fault that clear refuses with what to do instead, and nothing when it is forgotten", async () => {
    await leaveBehind("monitor");
    const refused = await run("clear", "gpu-0", "--reason", REASON);
    expect([refused.status, refused.out]).toEqual([1, ""]);
    expect(refused.err).toContain(
      'FAILED_PRECONDITION: MemoryHealthy of gpu-0 is what provider "monitor" reports: it has to report it good ' +
        "itself; if it is gone for good, run: device-api-server provider forget monitor",
    );
    const before = watch.messages.length;
    const forgotten = await run("provider", "forget", "monitor", "--reason", REASON);
    expect([forgotten.status, forgotten.err]).toEqual([0, ""]);
    expect(forgotten.out).toMatch(
      /^provider monitor is forgotten, with 2 conditions on 2 GPUs \(version \d+\)\nleft is deleted: [^\n]+\n$/,
    );
    await untilStates("gpu-0", "True/Initialized", "False/Dbe", "True/Initialized");
    await watch.until(() => watch.messages.some(({ type }) => type === "DELETED"), "the GPU to go");
    // One transaction: the versions follow on one another.
    const last = watch.messages.slice(before).slice(-2);
    expect(last.map(({ type, object }) => `${type} ${object?.metadata?.name}`)).toEqual([
      "MODIFIED gpu-0",
      "DELETED left",
    ]);
    expect((last[1]?.object?.resourceVersion ?? 0n) - (last[0]?.object?.resourceVersion ?? 0n)).toBe(1n);
    expect(JSON.parse((await run("provider", "list", "-o", "json")).out).providers).toHaveLength(2);
    expect((await run("provider", "forget", "monitor")).err).toContain(
      'NOT_FOUND: there is no provider "monitor". "device-api-server provider list" shows those that there are',
    );
    const { out } = await run("describe", "gpu-0");
    expect(out).toMatch(new RegExp(`ForgetProvider +${REASON} +forgot 2 conditions on 2 GPUs, deleted left`));
    expect(out).toContain(`by an operator: ForgetProvider by uid ${process.getuid?.()}: ${REASON}`);
  });

  test("is not forgotten while its lease is in force, unless that is forced; a built-in one never is", async () => {
    await leaveBehind("alive");
    const beat = () => client.call(heartbeat, { providerId: "alive" });
    await beat();
    const beating = setInterval(() => void beat(), 200);
    const refused = await run("provider", "forget", "alive").finally(() => clearInterval(beating));
    expect([refused.status, refused.err]).toEqual([1, expect.stringContaining('provider "alive" is alive')]);
    await Bun.sleep(1_500);
    const lost = JSON.parse((await run("provider", "list", "-o=json")).out).providers;
    expect(lost.at(-1)).toMatchObject({ id: "alive", lease: "LEASE_STATE_LOST", conditions: 2, badConditions: 2 });
    await beat();
    expect((await run("provider", "forget", "alive", "--force")).status).toBe(0);
    const builtin = await run("provider", "forget", "nvml-provider", "--force");
    expect([builtin.status, builtin.err]).toEqual([
      1,
      'device-api-server: FAILED_PRECONDITION: provider "nvml-provider" is built in and cannot be forgotten\n',
    ]);
  });

  test("stands in the list, as a table and as JSON", async () => {
    await leaveBehind("monitor");
    await client.call(heartbeat, { providerId: "leased" });
    const table = (await run("provider", "list")).out.split("\n").map((line) => line.split(/ {2,}/));
    expect(table.map((row) => row[0])).toEqual(["ID", "nvml-provider", "simulated", "leased", "monitor", ""]);
    const uid = `uid:${process.getuid?.()}`;
    const age = expect.stringMatching(/^\d+s$/);
    expect(table[1]?.slice(1)).toEqual(["built-in", "-", "none", "-", age, "2", "12", "0"]);
    expect(table[3]?.slice(1)).toEqual([
      "external",
      uid,
      expect.stringMatching(/^held [01]s$|^lost$/),
      age,
      "-",
      "0",
      "0",
      "0",
    ]);
    expect(table[4]?.slice(1)).toEqual(["external", uid, "none", "-", age, "2", "2", "2"]);
    const { providers } = JSON.parse((await run("provider", "list", "-o", "json")).out);
    expect(Bun.YAML.parse((await run("provider", "list", "-o", "yaml")).out)).toMatchObject({
      providers: [{ id: "nvml-provider", builtIn: true }, {}, {}, { id: "monitor", owner: uid }],
    });
    expect(providers.at(-1)).toEqual({
      id: "monitor",
      builtIn: false,
      owner: uid,
      lease: "LEASE_STATE_NONE",
      lastWrite: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      gpus: 2,
      conditions: 2,
      badConditions: 2,
    });
    expect((await run("provider")).status).toBe(2);
    expect((await run("provider", "list", "monitor")).status).toBe(2);
    expect((await run("provider", "forget")).status).toBe(2);
  });
});

describe("whatever an operator does", () => {
  test("is in the log and in the record, with who asked for it and what came of it", async () => {
    const uid = process.getuid?.() ?? -1;
    await run("simulate", "break", "gpu-0", "--xid=79");
    await run("clear", "gpu-0", "--reason", "line one\nline two");
    await run("provider", "forget", "nobody", "--reason", REASON);
    const expected = [
      { method: "SimulateBreak", target: "gpu-0", reason: "", outcome: "broken by Xid 79" },
      { method: "ClearFaults", target: "gpu-0", reason: "line one\nline two", outcome: "cleared NVMLReady" },
      {
        method: "ForgetProvider",
        target: "nobody",
        reason: REASON,
        outcome: 'NOT_FOUND: there is no provider "nobody"',
      },
    ];
    expect(
      (await actions()).map(({ method, target, reason, outcome }) => ({ method, target, reason, outcome })),
    ).toEqual(expected);
    const logged = () => binary.logLines.filter((line) => line.includes('"msg":"operator action"'));
    for (let i = 0; i < 100 && logged().length < 3; i++) await Bun.sleep(50);
    const lines = logged().map((line) => JSON.parse(line));
    expect(lines).toMatchObject(expected);
    for (const line of lines) expect([line.uid, line.pid > 0, line.pid !== process.pid]).toEqual([uid, true, true]);
  });
});
