import { describe, expect, test } from "bun:test";
import { type LogFields, type Logger, silentLogger } from "../../base/log.ts";
import { playRunningProvider, UUIDS } from "../../testing/nvml-provider-play.ts";
import { FLEET_MAX } from "./fleet.ts";

interface Line {
  readonly message: string;
  readonly fields: LogFields;
}

async function play(count: number) {
  const lines: Line[] = [];
  const write = (message: string, fields: LogFields = {}) => void lines.push({ message, fields });
  const log: Logger = { ...silentLogger, info: write, warn: write };
  const all = await playRunningProvider({ log }, count);
  const logged = (words: string) => lines.filter(({ message }) => message.includes(words)).map(({ fields }) => fields);
  return { ...all, logged };
}

test("GPUs over the limit are told once, and again only where there are more of them", async () => {
  const { logged, round } = await play(8);
  const uuids = (count: number) => Array.from({ length: count }, (_, i) => `GPU-${i}`);
  const leftOut = () => logged("more GPUs and MIG instances than are shown").map((fields) => fields["leftOut"]);
  await round(uuids(FLEET_MAX - 8));
  expect(leftOut()).toEqual([]);
  for (let i = 0; i < 10; i++) await round(uuids(FLEET_MAX - 6));
  expect(leftOut()).toEqual([2]);
  await round(uuids(FLEET_MAX - 7));
  await round(uuids(FLEET_MAX));
  expect(leftOut()).toEqual([2, 8]);
});

describe("a driver that is late in every round", () => {
  /** So many rounds with a call that takes a second, `idleMs` apart. */
  async function playLate({ launcher, time, round }: Awaited<ReturnType<typeof play>>, rounds: number, idleMs = 100) {
    for (let i = 0; i < rounds; i++) {
      for (let ms = 100; ms <= 1_000; ms += 100) {
        time.advance(100);
        launcher.last.pulse(time.monotonicMs(), "nvmlDeviceGetPowerUsage", ms);
      }
      await round();
      for (let ms = 0; ms < idleMs; ms += 100) {
        time.advance(100);
        launcher.last.pulse(time.monotonicMs());
      }
    }
  }

  test("makes GPUs Unknown and True twice, and then leaves them Unknown, with what ends it", async () => {
    const all = await play(8);
    const { host, provider } = all;
    const before = host.transactions.length;
    await playLate(all, 100);
    const told = host.transactions.slice(before).map(([first]) => first?.slice("GPU-00 ".length));
    const unknown = "Unknown/DriverUnresponsive";
    // The fifth is that of the third hang, the last one says that it is one of many.
    expect(told).toEqual([unknown, "True/Initialized", unknown, "True/Initialized", unknown, unknown]);
    expect(host.message("GPU-01")).toBe(
      "the driver did not answer in time 3 times within 60 s (the last: nvmlDeviceGetPowerUsage has been running for " +
        "more than 0.75 s); cleared by: readings in time for 10 s",
    );
    expect(provider.facts()).toMatchObject({ state: "hung", hangs: new Map([["nvmlDeviceGetPowerUsage", 100]]) });
  });

  test("is told in the log once a minute, with the count of the times between", async () => {
    const all = await play(8);
    await playLate(all, 120);
    expect(all.logged("the driver does not answer").map(({ leftOut }) => leftOut)).toEqual([undefined, 54, 54]);
    expect(
      all
        .logged("state changed")
        .slice(1)
        .map(({ to }) => to),
    ).toEqual(["hung", "initialising", "running", "hung", "initialising", "running", "hung"]);
  });

  test("has its GPUs True again after rounds in time for 10 s", async () => {
    const all = await play(8);
    await playLate(all, 5);
    await all.live(9_900);
    expect(all.host.state("GPU-01")).toBe("Unknown/DriverUnresponsive");
    await all.live(600);
    expect(UUIDS.map((uuid) => all.host.state(uuid))).toEqual(UUIDS.map(() => "True/Initialized"));
    // Later late calls are new ones.
    await all.live(60_000);
    await playLate(all, 1);
    expect(all.host.state("GPU-01")).toBe("True/Initialized");
  });

  test("is killed when a call never returns, and the next host process has to be in time as long", async () => {
    const all = await play(8);
    const { host, launcher, time } = all;
    await playLate(all, 3);
    time.advance(6_000);
    await all.settle();
    expect(launcher.hosts[0]?.signals).toEqual(["SIGKILL"]);
    expect(host.message("GPU-01")).toContain("the NVML host process ended by SIGKILL after it was killed:");
    time.advance(1_000);
    launcher.last.ready();
    await all.live(10_500);
    expect(host.message("GPU-01")).toContain("cleared by: readings in time for 10 s");
    await all.live(1_500);
    expect(host.state("GPU-01")).toBe("True/Initialized");
  });
});
