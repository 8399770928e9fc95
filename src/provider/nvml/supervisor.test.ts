import { describe, expect, test } from "bun:test";
import { silentLogger } from "../../base/log.ts";
import { ScriptedLauncher, wellSample } from "../../testing/nvml-script.ts";
import { SimulatedTime } from "../../testing/simulated-time.ts";
import { SUPERVISOR_DEFAULTS, Supervisor } from "./supervisor.ts";
import { watchdogLimits } from "./watchdog.ts";

const WATCHDOG = watchdogLimits(500);
const LIMITS = { ...SUPERVISOR_DEFAULTS, watchdog: WATCHDOG };

function setUp(random = 0.999_999) {
  const time = new SimulatedTime();
  const launcher = new ScriptedLauncher();
  const told: string[] = [];
  const retries: number[] = [];
  const stoodStill = { ms: 0 };
  const supervisor = new Supervisor({
    launcher,
    clock: { wallUs: () => time.wallUs(), monotonicMs: () => time.monotonicMs() + stoodStill.ms },
    scheduler: time,
    random: () => random,
    log: silentLogger,
    limits: LIMITS,
    listener: {
      launched: () => told.push("launched"),
      messages: (batch) => told.push(...batch.filter(({ kind }) => kind !== "pulse").map(({ kind }) => kind)),
      starting: (what) => told.push(`starting: ${what}`),
      unresponsive: (_what, call) => told.push(`unresponsive ${call}`),
      responsive: () => told.push("responsive"),
      unkillable: (pid) => told.push(`unkillable ${pid}`),
      ended: ({ call, explained, retryMs }) => {
        told.push(`ended ${call} ${explained ? "explained" : "by itself"}`);
        retries.push(Math.round(retryMs));
      },
    },
  });
  /** The present host process answers for so long. */
  const live = (forMs: number, call?: string) => {
    for (let ms = 0; ms < forMs; ms += 100) {
      time.advance(100);
      launcher.last.pulse(time.monotonicMs(), call, 5);
      if (ms % 500 === 0) launcher.last.round(time.monotonicMs(), [wellSample("GPU-1", time.monotonicMs())]);
    }
  };
  /** The sampler is in this call from now on, and the pulses go on. */
  const hang = (forMs: number, call: string, sinceMs = 0) => {
    for (let ms = sinceMs + 100; ms <= sinceMs + forMs; ms += 100) {
      time.advance(100);
      if (!launcher.last.ended) launcher.last.pulse(time.monotonicMs(), call, ms);
    }
  };
  /** Waits for the backoff that is under way. */
  const backoff = () => time.advance((retries.at(-1) ?? 0) + 1);
  supervisor.start();
  launcher.last.ready();
  return { time, launcher, told, retries, supervisor, live, hang, backoff, stoodStill };
}

describe("a call that hangs", () => {
  test("is told within two periods, and the process is killed when it goes on", () => {
    const { told, launcher, live, hang } = setUp();
    live(1_000);
    told.length = 0;
    hang(900, "nvmlDeviceGetTemperature");
    expect(told).toEqual(["unresponsive nvmlDeviceGetTemperature"]);
    expect(launcher.last.signals).toEqual([]);
    hang(4_500, "nvmlDeviceGetTemperature", 900);
    expect(launcher.hosts[0]?.signals).toEqual(["SIGKILL"]);
    expect(told.slice(1)).toEqual(["ended nvmlDeviceGetTemperature explained"]);
  });

  test("that returns is told, and nobody is killed", () => {
    const { told, launcher, live, hang } = setUp();
    live(1_000);
    hang(3_000, "nvmlDeviceGetTemperature");
    told.length = 0;
    live(10_000);
    expect(told.filter((word) => word !== "round")).toEqual(["responsive"]);
    expect(launcher.hosts[0]?.signals).toEqual([]);
  });

  test("in the event thread counts the same", () => {
    const { told, launcher, live, time } = setUp();
    live(1_000);
    launcher.last.pulse(time.monotonicMs(), "nvmlEventSetWait_v2", 800, "eventThread");
    expect(told.at(-1)).toBe("unresponsive nvmlEventSetWait_v2");
  });

  test("in the start has the start's time", () => {
    const { told, time, launcher, hang } = setUp();
    hang(29_000, "nvmlInit_v2");
    expect(told).toEqual(["launched", "ready", "starting: nvmlInit_v2 has been running for more than 0.75 s"]);
    hang(1_200, "nvmlInit_v2", 29_000);
    time.advance(200);
    expect(launcher.hosts[0]?.signals).toEqual(["SIGKILL"]);
    expect(told.slice(3, 5)).toEqual(["unresponsive nvmlInit_v2", "ended nvmlInit_v2 explained"]);
  });
});

describe("a process that is silent", () => {
  test("is told within two periods and killed", () => {
    const { told, time, live, launcher } = setUp();
    live(1_000, "nvmlDeviceGetName");
    told.length = 0;
    time.advance(1_000);
    expect(told).toEqual(["unresponsive nvmlDeviceGetName"]);
    time.advance(5_000);
    expect(launcher.hosts[0]?.signals).toEqual(["SIGKILL"]);
  });

  for (const pauseMs of [2_000, 6_000, 3_600_000]) {
    test(`is not blamed for a pause of our own of ${pauseMs / 1_000} s, whichever runs first after it`, () => {
      for (const first of ["timer", "look", "message"] as const) {
        const { told, time, live, launcher, stoodStill } = setUp();
        live(1_000);
        told.length = 0;
        const pause = () => {
          stoodStill.ms = pauseMs;
        };
        // The look comes a turn after its timer: the pause may begin between them.
        if (first === "look") time.afterTask = pause;
        else pause();
        const now = () => time.monotonicMs() + stoodStill.ms;
        // What waits in the pipe is read some turns later: that many looks see the silence that the pause has left.
        if (first !== "message") time.advance(400);
        launcher.last.pulse(now(), "nvmlEventSetWait_v2", pauseMs, "eventThread");
        time.advance(50);
        launcher.last.pulse(now());
        time.advance(50);
        expect(told).toEqual([]);
        // Silence after the pause is found as ever.
        time.advance(1_000);
        expect(told).toEqual(["unresponsive undefined"]);
        time.advance(5_000);
        expect(launcher.hosts[0]?.signals).toEqual(["SIGKILL"]);
      }
    });
  }

  test("that sends garbage is killed, and what it says then is not heard", () => {
    const { told, launcher, live } = setUp();
    live(1_000);
    told.length = 0;
    launcher.unkillable = true;
    launcher.last.garble("kind 77");
    launcher.last.round(0, []);
    expect(launcher.last.signals).toEqual(["SIGKILL"]);
    expect(told).toEqual(["ended undefined explained"]);
  });
});

describe("the next process", () => {
  test("comes after a backoff that doubles from 1 s to 60 s", () => {
    const { time, launcher, retries } = setUp();
    for (let i = 0; i < 9; i++) {
      launcher.last.exit({ signal: "SIGSEGV" });
      const count = launcher.hosts.length;
      time.advance((retries.at(-1) ?? 0) - 1);
      expect(launcher.hosts.length).toBe(count);
      time.advance(2);
      expect(launcher.hosts.length).toBe(count + 1);
    }
    expect(retries).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  test("comes up to half of it earlier, by chance", () => {
    const { launcher, retries } = setUp(0);
    launcher.last.exit({ code: 1 });
    expect(retries).toEqual([500]);
  });

  test("comes after 1 s again where the last one ran well for a while", () => {
    const { launcher, retries, live, backoff } = setUp();
    for (let i = 0; i < 4; i++) {
      launcher.last.exit({ signal: "SIGSEGV" });
      backoff();
    }
    live(30_000);
    launcher.last.exit({ signal: "SIGSEGV" });
    backoff();
    live(62_000);
    launcher.last.exit({ signal: "SIGSEGV" });
    expect(retries).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 1_000]);
  });

  test("comes also where a process could not be started at all", () => {
    const { time, launcher, told, backoff } = setUp();
    launcher.failure = new Error("EAGAIN");
    launcher.last.exit({ code: 1 });
    time.advance(10_000);
    expect(told.filter((word) => word.startsWith("ended")).length).toBe(4);
    expect(launcher.hosts.length).toBe(1);
    launcher.failure = undefined;
    backoff();
    expect(launcher.hosts.length).toBe(2);
    expect(told.filter((word) => word === "launched").length).toBe(2);
  });

  test("names the function the last one died in, and knows a failure that was announced", () => {
    const { told, launcher, live, time } = setUp();
    live(1_000, "nvmlDeviceGetName");
    launcher.last.exit({ signal: "SIGSEGV" });
    expect(told.at(-1)).toBe("ended nvmlDeviceGetName by itself");
    time.advance(2_000);
    launcher.last.exit({ signal: "SIGSEGV", call: "nvmlDeviceGetUUID" });
    expect(told.at(-1)).toBe("ended nvmlDeviceGetUUID by itself");
    time.advance(5_000);
    launcher.last.say({ kind: "failed", stage: "load", code: 0, message: "no library" });
    launcher.last.exit({ code: 3 });
    expect(told.at(-1)).toBe("ended undefined explained");
  });
});

describe("a process that cannot be killed", () => {
  test("is told once and never joined by a second one; when it ends, the next one starts", () => {
    const { told, time, launcher, live, backoff } = setUp();
    // The one that runs does not die; later ones would.
    launcher.last.exit({ code: 0 });
    launcher.unkillable = true;
    time.advance(2_000);
    live(1_000, "nvmlDeviceGetName");
    told.length = 0;
    time.advance(7_000);
    expect(launcher.last.signals).toEqual(["SIGKILL"]);
    expect(launcher.alive).toBe(1);
    time.advance(3_600_000);
    expect(told).toEqual(["unresponsive nvmlDeviceGetName", `unkillable ${launcher.last.pid}`]);
    expect(launcher.alive).toBe(1);
    launcher.unkillable = false;
    launcher.last.exit({ signal: "SIGKILL" });
    backoff();
    expect(launcher.alive).toBe(1);
    expect(launcher.hosts.length).toBe(3);
  });
});

describe("the end", () => {
  test("asks with SIGTERM and waits for the exit", async () => {
    const { supervisor, launcher, time, live } = setUp();
    live(1_000);
    const end = supervisor[Symbol.asyncDispose]();
    expect(launcher.last.signals).toEqual(["SIGTERM"]);
    launcher.last.exit({ code: 0 });
    await end;
    expect(time.pending).toBe(0);
    expect(launcher.hosts.length).toBe(1);
  });

  test("kills one that does not go, and leaves one behind that does not die", async () => {
    const { supervisor, launcher, time } = setUp();
    const end = supervisor[Symbol.asyncDispose]();
    time.advance(1_000);
    await end;
    expect(launcher.last.signals).toEqual(["SIGTERM", "SIGKILL"]);

    const stuck = setUp();
    stuck.launcher.last.exit({ code: 0 });
    stuck.launcher.unkillable = true;
    stuck.time.advance(2_000);
    const stuckEnd = stuck.supervisor[Symbol.asyncDispose]();
    stuck.time.advance(2_000);
    await stuckEnd;
    expect(stuck.launcher.last.abandoned).toBe(true);
    expect(stuck.time.pending).toBe(0);
  });

  test("in a backoff starts nothing more", async () => {
    const { supervisor, launcher, time } = setUp();
    launcher.last.exit({ code: 1 });
    await supervisor[Symbol.asyncDispose]();
    await supervisor[Symbol.asyncDispose]();
    time.advance(600_000);
    expect(launcher.hosts.length).toBe(1);
    expect(time.pending).toBe(0);
  });
});
