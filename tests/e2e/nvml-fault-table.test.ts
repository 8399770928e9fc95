import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Gpu } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { RULES } from "../../src/provider/nvml/rules/table.ts";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { conditionOf, GpuWatch, shortOf } from "../support/gpu-watch.ts";
import { waitsForEvents } from "../support/nvml-events.ts";
import { beginFault, endFault, type Stage, setUpRows } from "../support/nvml-fault-play.ts";
import { FAULT_ROWS, SHORT_QUIET } from "../support/nvml-faults.ts";
import { TestClient } from "../support/test-client.ts";

/**
 * The compiled binary on the scripted library: every fault that it knows, what consumers see of it, and the way back.
 * Faults of one GPU each have a GPU of their own and run side by side on one server.
 */

const FLAGS = ["--enable-nvml-provider", "--nvml-period=200ms", "--nvml-ignored-xids=140", ...SHORT_QUIET];

interface Play extends Stage, AsyncDisposable {
  readonly binary: RunningBinary;
}

async function startPlay(gpus: number, extra: readonly string[] = [], setUp = (_: FakeNvml) => {}): Promise<Play> {
  const fake = createFakeNvml({ gpus });
  setUp(fake);
  const binary = await spawnBinary([...FLAGS, `--nvml-driver-root=${fake.root}`, ...extra], fake.env);
  const client = new TestClient(binary.unixTarget);
  const watch = new GpuWatch(client);
  const names = await watch.names(gpus);
  await waitsForEvents(fake);
  return {
    fake,
    binary,
    watch,
    names,
    async [Symbol.asyncDispose]() {
      watch[Symbol.dispose]();
      client[Symbol.dispose]();
      await binary.stop();
      fake[Symbol.dispose]();
    },
  };
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;
const is = (type: string, short: string) => (gpu: Gpu | undefined) => shortOf(gpu, type) === short;
const readyIs = (status: string) => (gpu: Gpu | undefined) => conditionOf(gpu, "Ready")?.status === status;

/** Every reason that was seen, of faults and of good conditions. */
const reasonsSeen = new Set<string>();

function note(gpu: Gpu | undefined): void {
  for (const { reason } of gpu?.status?.conditions ?? []) reasonsSeen.add(reason);
}

describe.concurrent("a fault of one GPU is told, with what ends it, and ends", () => {
  let stage: Play;
  beforeAll(async () => {
    stage = await startPlay(FAULT_ROWS.length, [], (fake) => setUpRows(fake, FAULT_ROWS));
  });
  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
  });

  FAULT_ROWS.forEach((row, place) => {
    test(`${row.name}: ${row.condition} ${row.status ?? "False"}, ${row.reason}`, async () => {
      const begun = await beginFault(stage, row, place);
      const { gpu } = begun;
      note(gpu);
      expect(shortOf(gpu, row.condition)).toBe(`${row.status ?? "False"}/${row.reason}`);
      const { message } = conditionOf(gpu, row.condition) ?? {};
      expect(message).toContain(row.says);
      if (row.status === undefined) expect(message).toContain("; cleared by: ");
      expect(gpu?.status?.recommendedAction).toBe(row.action ?? "");
      expect(conditionOf(gpu, "Ready")?.status).toBe(row.ready);
      for (const beside of row.beside ?? []) {
        const [type = "", short = ""] = beside.split("=");
        expect(shortOf(gpu, type)).toBe(short);
      }
      const ended = await endFault(stage, row, place);
      note(ended.gpu);
      expect(shortOf(ended.gpu, row.condition)).toBe(`True/${row.good}`);
      expect(ended.gpu?.status?.recommendedAction).toBe("");
      console.log(`${row.name}: seen after ${seconds(begun.tookMs)}, well again after ${seconds(ended.tookMs)}`);
    });
  });
});

/** What is bad, as TYPE/REASON. That a busy machine makes a GPU Unknown for a moment is not meant. */
const badOf = (gpu: Gpu | undefined): readonly string[] =>
  (gpu?.status?.conditions ?? [])
    .filter(({ status }) => status === "False")
    .map(({ type, reason }) => `${type}/${reason}`);
const anyFalse = (gpu: Gpu | undefined): boolean => badOf(gpu).length > 0;

/** Told by the driver and no fault of the GPU. */
const HARMLESS = [
  ..."13 31 45 63 92 94 154 4000".split(" ").map((code) => `xid $ ${code}`),
  // By --nvml-ignored-xids.
  "xid $ 140",
  "event $ 0x1000 0",
  "event $ 0x400 0",
  "gpu $ ecc_volatile_corrected=+1000",
  "gpu $ temperature=88",
  "gpu $ clock_reasons=0x4",
];

describe.concurrent("what is no fault, and GPUs that come and go", () => {
  let stage: Play;
  const at = (place: number) => stage.names[place] ?? "";
  const last = HARMLESS.length;
  beforeAll(async () => {
    stage = await startPlay(last + 2, ["--nvml-gone-after=2s"]);
  });
  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
  });

  HARMLESS.forEach((command, place) => {
    test(`${command} changes nothing: the next thing that is seen is the fault after it`, async () => {
      const next = stage.watch.next(at(place), anyFalse, "anything that is bad");
      stage.fake.command(command.replace("$", String(place)));
      // Long enough for two readings.
      await Bun.sleep(500);
      stage.fake.command(`gpu ${place} recovery_action=1`);
      const { gpu } = await next;
      expect(badOf(gpu)).toEqual(["Ready/RecoveryRequired", "NVMLReady/RecoveryRequired"]);
      expect(conditionOf(gpu, "NVMLReady")?.message).not.toContain("also open");
    });
  });

  test("a GPU that is taken out is lost at once, then withdrawn, and there again when it is put back", async () => {
    const lost = stage.watch.next(at(last), is("NVMLReady", "False/GPULost"), "lost");
    stage.fake.command(`gpu ${last} present=0`);
    await lost;
    await stage.watch.until(at(last), (gpu) => gpu === undefined, "withdrawn");
    stage.fake.command(`gpu ${last} present=1`);
    await stage.watch.until(at(last), readyIs("True"), "there again");
  });

  test("a GPU that is plugged in is registered, and Unknown until it has been read", async () => {
    const slow = ["Temperature", "PowerUsage", "MigMode"].map((what) => `nvmlDeviceGet${what}`);
    const place = last + 2;
    for (const call of slow) stage.fake.command(`fault ${call} delay_ms=450 gpu=${place}`);
    stage.fake.command(`gpu ${place} serial=7777 present=1`);
    const known = new Set(stage.names);
    const added = () => [...stage.watch.latest.keys()].find((name) => !known.has(name));
    while (added() === undefined) {
      // Its events are heard before its first reading is complete.
      stage.fake.command(`xid ${place} 31`);
      await Bun.sleep(20);
    }
    const name = added() ?? "";
    const first = stage.watch.latest.get(name);
    note(first);
    expect(shortOf(first, "NVMLReady")).toBe("Unknown/NotSampled");
    stage.fake.command("clear all");
    await stage.watch.until(name, readyIs("True"), "read");
  });
});

describe("an event that names no GPU", () => {
  /** [event, condition, reason] on all of them, until each is acquitted. */
  const events = [
    ["xid none 95", "NVMLReady", "XidErrorUnattributed"],
    ["xid bogus 79", "NVMLReady", "GPULostUnattributed"],
    ["event none 0x4000 0", "NVMLReady", "GPUUnavailableUnattributed"],
    ["event none 0x2 0", "MemoryHealthy", "UncorrectableECCUnattributed"],
    ["event none 0x800 0", "MemoryHealthy", "MemoryRetirementFailedUnattributed"],
  ] as const;

  test("is put on all, and on the one alone that is in trouble", async () => {
    await using play = await startPlay(3);
    const { fake, watch, names } = play;
    for (const [event, condition, reason] of events) {
      const before = watch.messages.length;
      fake.command(event);
      await Promise.all(names.map((name) => watch.next(name, is(condition, `False/${reason}`), `${event}: the fault`)));
      const versions = watch.messages.slice(before).map(({ object }) => object?.resourceVersion ?? 0n);
      expect(versions).toEqual(names.map((_, i) => (versions[0] ?? 0n) + BigInt(i)));
      note(watch.latest.get(names[0] ?? ""));
      await Promise.all(names.map((name) => watch.until(name, readyIs("True"), `${event}: acquitted`)));
    }
    fake.command("gpu 1 recovery_action=1");
    await watch.until(names[1] ?? "", is("NVMLReady", "False/RecoveryRequired"), "the verdict");
    fake.command("xid none 95");
    await watch.until(names[1] ?? "", is("NVMLReady", "False/XidErrorUnattributed"), "the Xid");
    expect([0, 2].map((place) => shortOf(watch.latest.get(names[place] ?? ""), "NVMLReady"))).toEqual([
      "True/Initialized",
      "True/Initialized",
    ]);
    // The verdict has to be read once more after the Xid, for only that makes NONE an answer to it.
    const rounds = fake.calls("nvmlDeviceGetCount_v2");
    while (fake.calls("nvmlDeviceGetCount_v2") < rounds + 2) await Bun.sleep(20);
    fake.command("gpu 1 recovery_action=0");
    await watch.until(names[1] ?? "", readyIs("True"), "the way back");
  });
});

describe.concurrent("a driver in trouble makes every GPU Unknown, at versions in a row, and is found again", () => {
  async function allBecome(play: Play, short: string, what: string): Promise<void> {
    const { watch, names } = play;
    await Promise.all(names.map((name) => watch.until(name, is("NVMLReady", short), what)));
    note(watch.latest.get(names[0] ?? ""));
    const newest = watch.messages.slice(-names.length).map(({ object }) => object?.resourceVersion ?? 0n);
    expect(newest).toEqual(names.map((_, i) => (newest[0] ?? 0n) + BigInt(i)));
  }
  const allAreWell = ({ watch, names }: Play) =>
    Promise.all(names.map((name) => watch.until(name, readyIs("True"), "all are well again")));

  test("a call that hangs, and a library that is gone when the next process looks for it", async () => {
    await using play = await startPlay(4);
    const startedMs = performance.now();
    play.fake.command("fault nvmlDeviceGetTemperature hang times=1");
    await allBecome(play, "Unknown/DriverUnresponsive", "the hang");
    console.log(`NVML hang: seen after ${seconds(performance.now() - startedMs)}`);
    play.fake.install({ kind: "none" });
    await allBecome(play, "Unknown/NVMLLibraryMissing", "no library");
    play.fake.install({ kind: "whole" });
    await allAreWell(play);
  });

  test("a call that crashes its process, and an initialisation that fails after it", async () => {
    await using play = await startPlay(4);
    play.fake.command("fault nvmlInit_v2 code=18");
    const startedMs = performance.now();
    play.fake.command("fault nvmlDeviceGetPowerUsage crash times=1");
    await allBecome(play, "Unknown/NVMLHostCrashed", "the crash");
    console.log(`NVML crash: seen after ${seconds(performance.now() - startedMs)}`);
    await allBecome(play, "Unknown/NVMLInitFailed", "no initialisation");
    play.fake.command("clear all");
    await allAreWell(play);
  });

  test("an enumeration that fails", async () => {
    await using play = await startPlay(4);
    play.fake.command("fault nvmlDeviceGetCount_v2 code=999");
    await allBecome(play, "Unknown/EnumerationFailed", "no enumeration");
    play.fake.command("clear all");
    await allAreWell(play);
  });
});

test("every reason that the sources name was seen", () => {
  const folder = join(import.meta.dir, "../../src/provider/nvml");
  const rules = readdirSync(join(folder, "rules")).map((file) => `rules/${file}`);
  const words = ["events.ts", "gpu-status.ts", "provider-state.ts", ...rules].flatMap((file) => {
    const text = readFileSync(join(folder, file), "utf8");
    return [...text.matchAll(/"([A-Z][a-z]\w*|[A-Z]{2,}[a-z]\w*)"/g)].map(([, word = ""]) => word);
  });
  const noReasons = new Set(["True", "False", "Unknown", ...RULES.map(({ condition }) => condition)]);
  const reasons = [...new Set(words)].filter((word) => !noReasons.has(word)).sort();
  expect(reasons.length).toBeGreaterThan(30);
  expect(reasons.filter((reason) => !reasonsSeen.has(reason))).toEqual([]);
});
