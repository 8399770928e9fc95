import { describe, expect, test } from "bun:test";
import { INITIAL_STATE, type NvmlInput, type NvmlState, outageOf, stepState } from "./provider-state.ts";

const READY: NvmlInput = { kind: "ready", events: true };
const ROUND: NvmlInput = { kind: "round", code: 0, slow: undefined };
const NO_ROUND: NvmlInput = { kind: "round", code: 999, slow: undefined };
const RETURNED: NvmlInput = { kind: "responsive", slow: undefined };
/** The third of its kind, and a round after it. */
const LATE: NvmlInput = { kind: "responsive", slow: "3 times" };
const LATE_ROUND: NvmlInput = { kind: "round", code: 0, slow: "3 times" };
const STUCK: NvmlInput = {
  kind: "unresponsive",
  what: "nvmlDeviceGetTemperature has been running for more than 0.75 s",
};
const CRASH: NvmlInput = { kind: "ended", how: "ended by SIGSEGV", call: "nvmlDeviceGetName", explained: false };
const END: NvmlInput = { kind: "ended", how: "ended by SIGKILL", call: undefined, explained: true };
const NO_LIBRARY: NvmlInput = { kind: "failed", stage: "load", code: 0, message: "no libnvidia-ml.so.1 in /usr/lib" };
const NO_DRIVER: NvmlInput = { kind: "failed", stage: "init", code: 9, message: "driver not loaded" };

const after = (...inputs: readonly NvmlInput[]): NvmlState => inputs.reduce(stepState, INITIAL_STATE);
const brief = (state: NvmlState) => [state.kind, outageOf(state)?.reason];

describe("the provider's state", () => {
  const rows: readonly [name: string, inputs: readonly NvmlInput[], kind: string, outage: string | undefined][] = [
    ["begins without news", [], "initialising", undefined],
    ["is initialising until the first round", [READY], "initialising", undefined],
    ["runs from the first round on", [READY, ROUND], "running", undefined],
    ["is degraded without an event thread", [{ kind: "ready", events: false }, ROUND], "degraded", undefined],
    [
      "is degraded when events are lost",
      [READY, ROUND, { kind: "events", running: false, code: 999 }],
      "degraded",
      undefined,
    ],
    [
      "runs again when events are back",
      [READY, ROUND, { kind: "events", running: false, code: 999 }, { kind: "events", running: true, code: 0 }],
      "running",
      undefined,
    ],
    ["says that there is no library", [NO_LIBRARY], "library-missing", "NVMLLibraryMissing"],
    ["still says so after that process has ended", [NO_LIBRARY, END], "library-missing", "NVMLLibraryMissing"],
    ["says that NVML does not initialise", [NO_DRIVER, END], "initialising", "NVMLInitFailed"],
    ["forgets it with the first round", [NO_LIBRARY, END, READY, ROUND], "running", undefined],
    ["is hung while a call does not return", [READY, ROUND, STUCK], "hung", "DriverUnresponsive"],
    ["stays hung while other rounds come in", [READY, ROUND, STUCK, ROUND], "hung", "DriverUnresponsive"],
    ["waits for a round after a hang", [READY, ROUND, STUCK, RETURNED], "initialising", "DriverUnresponsive"],
    ["stays hung when GPUs cannot be enumerated either", [READY, ROUND, STUCK, NO_ROUND], "hung", "DriverUnresponsive"],
    ["runs again with that round", [READY, ROUND, STUCK, RETURNED, ROUND], "running", undefined],
    [
      "keeps the cause when the hung process is killed",
      [READY, ROUND, STUCK, END],
      "initialising",
      "DriverUnresponsive",
    ],
    [
      "is hung while the killed process does not end",
      [READY, ROUND, STUCK, { kind: "unkillable", pid: 7 }],
      "hung",
      "DriverUnresponsive",
    ],
    ["stays hung where calls are late again and again", [READY, ROUND, STUCK, LATE], "hung", "DriverUnresponsive"],
    [
      "whatever rounds and late calls come",
      [READY, ROUND, STUCK, LATE, LATE_ROUND, STUCK, LATE, LATE_ROUND],
      "hung",
      "DriverUnresponsive",
    ],
    ["runs when they come in time", [READY, ROUND, STUCK, LATE, LATE_ROUND, ROUND], "running", undefined],
    [
      "is hung after the first round of a process that follows a slow one",
      [READY, ROUND, STUCK, LATE, CRASH, READY, LATE_ROUND],
      "hung",
      "DriverUnresponsive",
    ],
    ["says that the process crashed", [READY, ROUND, CRASH], "initialising", "NVMLHostCrashed"],
    ["says that it was killed where nothing else is known", [READY, ROUND, END], "initialising", "NVMLHostCrashed"],
    [
      "keeps saying so until the next one has read the GPUs",
      [READY, ROUND, CRASH, READY],
      "initialising",
      "NVMLHostCrashed",
    ],
    ["runs after it", [READY, ROUND, CRASH, READY, ROUND], "running", undefined],
    ["says that GPUs cannot be enumerated", [READY, ROUND, NO_ROUND], "initialising", "EnumerationFailed"],
    ["runs when they can again", [READY, ROUND, NO_ROUND, ROUND], "running", undefined],
    ["stops", [READY, ROUND, { kind: "stop" }], "stopped", undefined],
  ];
  for (const [name, inputs, kind, outage] of rows) {
    test(name, () => expect(brief(after(...inputs))).toEqual([kind, outage]));
  }

  test("names the function of a crash, and the process that does not end", () => {
    expect(outageOf(after(READY, ROUND, CRASH))?.message).toContain("ended by SIGSEGV, last seen in nvmlDeviceGetName");
    const stuck = outageOf(after(READY, ROUND, STUCK, { kind: "unkillable", pid: 7 }))?.message;
    expect(stuck).toContain("nvmlDeviceGetTemperature");
    expect(stuck).toContain("process 7 does not end after SIGKILL");
  });

  test("says the same while calls are late again and again, until one hangs for good", () => {
    const slow = after(READY, ROUND, STUCK, LATE);
    expect(outageOf(slow)?.message).toBe("3 times");
    for (const input of [STUCK, LATE, LATE_ROUND, NO_ROUND]) expect(stepState(slow, input)).toBe(slow);
    const how = "ended by SIGKILL after it was killed: nvmlDeviceGetName has been running for more than 5 s";
    const killed = stepState(slow, { kind: "ended", how, call: "nvmlDeviceGetName", explained: true });
    expect(outageOf(killed)).toEqual({ reason: "DriverUnresponsive", message: `the NVML host process ${how}` });
    expect(outageOf(stepState(stepState(killed, READY), LATE_ROUND))?.message).toBe("3 times");
    const degraded = after({ kind: "ready", events: false }, ROUND, STUCK, LATE, ROUND);
    expect(degraded.kind).toBe("degraded");
  });

  test("is left by every state but stopped, which nothing leaves", () => {
    const inputs = [READY, ROUND, STUCK, CRASH, END, NO_LIBRARY, NO_DRIVER, RETURNED] as const;
    for (const input of inputs) expect(after({ kind: "stop" }, input).kind).toBe("stopped");
    for (const start of [NO_LIBRARY, NO_DRIVER, STUCK, CRASH]) expect(after(start, READY, ROUND).kind).toBe("running");
  });
});
