import { describe, expect, test } from "bun:test";
import { playRunningProvider } from "../../testing/nvml-provider-play.ts";

describe("a host process that follows one that failed", () => {
  test("leaves the GPUs Unknown where its event thread hangs anew, though its rounds look well", async () => {
    const { host, launcher, time, round } = await playRunningProvider();
    const hangs = async () => {
      for (let ms = 100; !launcher.last.ended; ms += 100) {
        time.advance(100);
        if (ms % 500 === 0) await round();
        if (!launcher.last.ended) launcher.last.pulse(time.monotonicMs(), "nvmlEventSetWait_v2", ms, "eventThread");
      }
    };
    await hangs();
    expect(host.state("GPU-01")).toBe("Unknown/DriverUnresponsive");
    const before = host.transactions.length;
    for (const backoffMs of [1_000, 2_000, 4_000]) {
      time.advance(backoffMs);
      launcher.last.ready();
      await round();
      await hangs();
    }
    expect(launcher.hosts.length).toBe(4);
    const later = host.transactions.slice(before).flat();
    expect(later.filter((line) => line.includes("True"))).toEqual([]);
  });

  test("says in which call its start is", async () => {
    const { host, launcher, time, settle } = await playRunningProvider();
    launcher.last.exit({ signal: "SIGSEGV" });
    time.advance(1_000);
    launcher.last.pulse(time.monotonicMs(), "nvmlInit_v2", 900);
    await settle();
    expect(host.state("GPU-01")).toBe("Unknown/DriverUnresponsive");
    expect(host.message("GPU-01")).toContain("nvmlInit_v2 has been running for more than 0.75 s, in the start of");
  });

  test("is asked for the call by its page while it says nothing", async () => {
    const { host, launcher, time, settle } = await playRunningProvider();
    launcher.last.exit({ signal: "SIGSEGV" });
    time.advance(1_000);
    launcher.last.runsIn = "dlopen";
    time.advance(1_000);
    await settle();
    expect(host.message("GPU-01")).toContain("silent for more than 0.75 s, last seen in dlopen, in the start of");
  });
});
