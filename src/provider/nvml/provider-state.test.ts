import { describe, expect, test } from "bun:test";
import { INITIAL_STATE, type NvmlInput, type NvmlState, outageOf, stepState } from "./provider-state.ts";

const READY: NvmlInput = { kind: "ready", events: true };
const ROUND: NvmlInput = { kind: "round", code: 0 };
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
    [
      "waits for a round after a hang",
      [READY, ROUND, STUCK, { kind: "responsive" }],
      "initialising",
      "DriverUnresponsive",
    ],
    [
      "stays hung when GPUs cannot be enumerated either",
      [READY, ROUND, STUCK, { kind: "round", code: 999 }],
      "hung",
      "DriverUnresponsive",
    ],
    ["runs again with that round", [READY, ROUND, STUCK, { kind: "responsive" }, ROUND], "running", undefined],
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
    ["says that the process crashed", [READY, ROUND, CRASH], "initialising", "NVMLHostCrashed"],
    ["says that it was killed where nothing else is known", [READY, ROUND, END], "initialising", "NVMLHostCrashed"],
    [
      "keeps saying so until the next one has read the GPUs",
      [READY, ROUND, CRASH, READY],
      "initialising",
      "NVMLHostCrashed",
    ],
    ["runs after it", [READY, ROUND, CRASH, READY, ROUND], "running", undefined],
    [
      "says that GPUs cannot be enumerated",
      [READY, ROUND, { kind: "round", code: 999 }],
      "initialising",
      "EnumerationFailed",
    ],
    ["runs when they can again", [READY, ROUND, { kind: "round", code: 999 }, ROUND], "running", undefined],
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

  test("is left by every state but stopped, which nothing leaves", () => {
    const inputs = [READY, ROUND, STUCK, CRASH, END, NO_LIBRARY, NO_DRIVER, { kind: "responsive" }] as const;
    for (const input of inputs) expect(after({ kind: "stop" }, input).kind).toBe("stopped");
    for (const start of [NO_LIBRARY, NO_DRIVER, STUCK, CRASH]) expect(after(start, READY, ROUND).kind).toBe("running");
  });
});
